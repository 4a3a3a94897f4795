// Package empego lists the event types of Empego's Event Delivery Service, V2:
// for each one a constant with its name and a struct for its payload.
//
//	app.Handle(empego.TypeTenantOnboarded, handlers.Typed(
//		func(ctx context.Context, t empego.TenantOnboarded) error { ... }))
//
// The set of types is open: the service may send others at any time, and an
// App takes any string as a type. Until a type is listed here, declare the
// same two things in your own code:
//
//	const TypeTenantRenamed = "TENANT_RENAMED"
//
//	type TenantRenamed struct {
//		TenantID string `json:"tenantId"`
//	}
//
// To add one to this package: a file named after the event, with the constant,
// the struct with a comment on each field that names the page it comes from,
// and Validate() error when a field must be there for the event to make sense.
// Leave out what is merely likely; members that a struct does not know are
// ignored.
package empego
