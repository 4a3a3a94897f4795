// Package webhook posts events to an HTTP endpoint, as CloudEvents 1.0 and
// signed by the rules of Standard Webhooks:
//
//	sink, err := webhook.New("https://crm.example/events", webhook.Secret("whsec_..."))
//	...
//	defer sink.Close()
//	app.Handle("*", sink.Handle)
//
// An event is handled when the endpoint answers 2xx. The endpoint may get an
// event more than once and should use its id (ce-id and source, or webhook-id)
// as the idempotency key.
package webhook
