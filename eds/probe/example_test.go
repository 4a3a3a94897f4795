package probe_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/eds/probe"
	"github.com/eventdelivery/eds-go/transport/memory"
)

func Example() {
	orders := eds.New(memory.New("orders"))

	mux := http.NewServeMux()
	mux.Handle("/", probe.Handler(probe.Apps{"orders": orders}))
	// go http.ListenAndServe(":8081", mux)

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	fmt.Println(w.Code)
	// Output: 200
}
