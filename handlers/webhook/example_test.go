package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers/webhook"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// An endpoint that checks the signature with the library of Standard
// Webhooks, and the sink that posts to it.
func Example() {
	key, _ := standardwebhooks.NewWebhook(secret)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if key.Verify(body, r.Header) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Println(r.Header.Get("ce-type"), r.Header.Get("ce-id"), string(body))
	}))
	defer endpoint.Close()

	sink, err := webhook.New(endpoint.URL, webhook.Secret(secret))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sink.Close()
	err = sink.Handle(context.Background(), &eds.Event{
		ID: "evt-1", Type: "TENANT_ONBOARDED", Source: "eds://eds.example/my-queue", Payload: []byte(`{"tenantId":"P0001"}`),
	})
	fmt.Println(err)
	// Output:
	// TENANT_ONBOARDED evt-1 {"tenantId":"P0001"}
	// <nil>
}

// What the endpoint answers decides what becomes of the event.
func ExampleSink_Handle() {
	answers := []int{http.StatusNoContent, http.StatusTooManyRequests, http.StatusGone}
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(answers[0])
		answers = answers[1:]
	}))
	defer endpoint.Close()
	sink, _ := webhook.New(endpoint.URL)
	defer sink.Close()

	for range 3 {
		err := sink.Handle(context.Background(), &eds.Event{ID: "evt-1", Type: "T", Source: "s"})
		delay, _ := eds.RetryDelay(err)
		answered, ok := errors.AsType[*webhook.StatusError](err)
		if !ok {
			fmt.Println("handled")
			continue
		}
		fmt.Println(answered.Status, "permanent:", eds.IsPermanent(err), "retry after:", delay)
	}
	// Output:
	// handled
	// 429 permanent: false retry after: 3s
	// 410 permanent: true retry after: 0s
}
