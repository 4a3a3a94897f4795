package middleware_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/middleware"
)

// onlyTenant is a middleware of one's own. There are three moments: settings
// are taken here,
func onlyTenant(tenant string) eds.Middleware {
	return func(next eds.Handler) eds.Handler {
		// what is shared between events is made here, once,
		prefix := tenant + "/"
		return func(ctx context.Context, e *eds.Event) error {
			// and this runs for every event, from several goroutines. What it
			// returns instead of calling next becomes of the event.
			if !strings.HasPrefix(e.ID, prefix) {
				return eds.Redeliver(fmt.Errorf("event %q is another worker's", e.ID))
			}
			return next(ctx, e)
		}
	}
}

// A middleware of one's own is a function; it goes wherever its results are
// wanted: this one outside of Retry, which has nothing to retry here.
func Example_custom() {
	chain := []eds.Middleware{onlyTenant("acme"), middleware.Retry(), middleware.Recover()}
	h := eds.Handler(func(_ context.Context, e *eds.Event) error {
		fmt.Println("handling", e.ID)
		return nil
	})
	for _, m := range slices.Backward(chain) { // App.Use does this
		h = m(h)
	}
	for _, id := range []string{"acme/1", "other/2"} {
		err := h(context.Background(), &eds.Event{ID: id})
		fmt.Println(id, "is", eds.OutcomeOf(err))
	}
	// Output:
	// handling acme/1
	// acme/1 is handled
	// other/2 is redeliver
}
