package jsonl_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers/jsonl"
)

func Example() {
	dir, err := os.MkdirTemp("", "jsonl")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "dead-letters.jsonl")

	letters, err := jsonl.Open(path, jsonl.RotateAt(64<<20), jsonl.Keep(10))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer letters.Close()
	err = letters.Handle(context.Background(), &eds.Event{
		ID: "evt-1", Type: "TENANT_ONBOARDED", Source: "eds://eds.example/my-queue", Queue: "my-queue",
		Payload: []byte(`{"tenantId":"P0001"}`), Attributes: map[string]string{"deadlettererror": "boom"},
	})
	fmt.Println("stored:", err == nil)

	for e, err := range jsonl.ReadAll(path) {
		if err != nil {
			fmt.Println(err) // names the file and the line; the next one follows
			continue
		}
		fmt.Println(e.ID, e.Queue, string(e.Payload), e.Attributes["deadlettererror"])
	}
	// Output:
	// stored: true
	// evt-1 my-queue {"tenantId":"P0001"} boom
}
