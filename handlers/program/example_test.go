//go:build unix

package program_test

import (
	"context"
	"fmt"
	"os"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers/program"
)

func Example() {
	sink, err := program.New(program.Shell(`echo "$EDS_EVENT_TYPE: $(cut -d '"' -f 4)"; echo "no such tenant" >&2; exit 3`),
		program.Output(os.Stdout))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = sink.Handle(context.Background(), &eds.Event{
		ID: "evt-1", Type: "TENANT_ONBOARDED", Source: "eds://eds.example/my-queue", Payload: []byte(`{"tenantId":"P0001"}`),
	})
	fmt.Println(err)
	fmt.Println("worth another try:", !eds.IsPermanent(err))
	// Unordered output:
	// TENANT_ONBOARDED: 1.0
	// no such tenant
	// program: /bin/sh: exit status 3: no such tenant
	// worth another try: false
}
