// Package probe answers the questions of Kubernetes, a load balancer or a
// person with curl: does this process live, and is it ready?
//
//	http.Handle("/", probe.Handler(probe.Apps{"orders": orders, "invoices": invoices}))
//
// It needs the standard library alone and knows nothing of events: no answer
// holds a payload, an id or a credential.
package probe
