package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// proxied is a gateway before srv that removes /gateway and notes in uri what
// it was asked for. It returns its address.
func proxied(t *testing.T, srv http.Handler, uri *string) string {
	t.Helper()
	var once sync.Once
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { *uri = r.RequestURI })
		r.RequestURI = strings.TrimPrefix(r.RequestURI, "/gateway")
		srv.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return strings.Replace(front.URL, "http", "ws", 1)
}
