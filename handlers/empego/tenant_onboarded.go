package empego

import "errors"

// TypeTenantOnboarded is the type of the event that tells of a new tenant.
const TypeTenantOnboarded = "TENANT_ONBOARDED"

// TenantOnboarded is the payload of TypeTenantOnboarded. Source: "Protocol",
// Empego EDS V2 documentation.
type TenantOnboarded struct {
	// TenantID is the tenant in the partner's own numbering, such as "P0001".
	TenantID string `json:"tenantId"`
	// EmpegoTenantID is the tenant as Empego knows it, such as "tenant-abc".
	EmpegoTenantID string `json:"empegoTenantId"`
}

// Validate refuses a tenant without the identity that the partner gave it. The
// vendor's page does not say which members are always there, so nothing else
// is insisted on. handlers.Typed calls it.
func (t TenantOnboarded) Validate() error {
	if t.TenantID == "" {
		return errors.New("tenantId is missing")
	}
	return nil
}
