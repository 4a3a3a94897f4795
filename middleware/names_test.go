package middleware

import (
	"context"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
)

// An App checks the order of our middleware by these names.
func TestNamesByWhichAnAppKnowsThem(t *testing.T) {
	sink := func(context.Context, *eds.Event) error { return nil }
	for want, m := range map[string]eds.Middleware{
		"tracing":    Tracing(),
		"logging":    Logging(nil),
		"metrics":    Metrics(),
		"deadLetter": DeadLetter(sink),
		"retry":      Retry(),
		"throttle":   Throttle(1, 1),
		"breaker":    CircuitBreaker(),
		"timeout":    Timeout(1),
		"recovery":   Recover(),
	} {
		name := runtime.FuncForPC(reflect.ValueOf(m).Pointer()).Name()
		if !strings.HasSuffix(name, "/middleware.(*"+want+").wrap-fm") {
			t.Errorf("%s is called %s", want, name)
		}
	}
}
