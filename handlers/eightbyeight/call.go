package eightbyeight

import "github.com/go-json-experiment/json/jsontext"

// The types of the events in this file.
const (
	TypeInteractionCreated          = "InteractionCreated"
	TypeInteractionQueued           = "InteractionQueued"
	TypeInteractionAssigned         = "InteractionAssigned"
	TypeInteractionAccepted         = "InteractionAccepted"
	TypeInteractionCustomerAccepted = "InteractionCustomerAccepted"
	TypeInteractionRejected         = "InteractionRejected"
	TypeInteractionUnqueued         = "InteractionUnqueued"
	TypeInteractionQueueTimeout     = "InteractionQueueTimeout"
	TypeInteractionDeassigned       = "InteractionDeassigned"
	TypeInteractionChanged          = "InteractionChanged"
	TypeInteractionPostProcess      = "InteractionPostProcess"
	TypeInteractionEndPostProcess   = "InteractionEndPostProcess"
	TypeInteractionDeleted          = "InteractionDeleted"
)

// InteractionCreated says that an interaction began. It comes before the queue.
type InteractionCreated struct{ InteractionFields }

// InteractionQueued says that an interaction waits for an agent.
type InteractionQueued struct{ InteractionFields }

// InteractionAssigned says that an interaction is offered to an agent, who has not taken
// it yet.
type InteractionAssigned struct {
	InteractionFields

	// AgentPhone is a number or an extension; AgentTreatedPhone is it as it is
	// dialed.
	AgentPhone        Text `json:"agentPhone"`
	AgentTreatedPhone Text `json:"agentTreatedPhone"`
	// AgentRscWaitTime and PromptingTimeout are in seconds.
	AgentRscWaitTime Number `json:"agentRscWaitTime"`
	PromptingTimeout Number `json:"promptingTimeout"`
	// OutboundCampaignID is 0 when there is no campaign.
	OutboundCampaignID Number `json:"outboundCampaignid"`
}

// InteractionAccepted says that an agent took the interaction.
type InteractionAccepted struct{ InteractionFields }

// InteractionCustomerAccepted says that the customer answered an outbound call.
type InteractionCustomerAccepted struct{ InteractionFields }

// InteractionRejected says that an agent did not take an interaction.
type InteractionRejected struct {
	InteractionFields

	RejectReason RejectReason `json:"rejectReason"`
}

// InteractionUnqueued says that an interaction left the queue without an agent.
type InteractionUnqueued struct{ InteractionFields }

// InteractionQueueTimeout says that an interaction waited for too long.
type InteractionQueueTimeout struct{ InteractionFields }

// InteractionDeassigned says that an interaction was taken from an agent. Some pages
// write InteractionDeAssigned; the mapper gives this spelling.
type InteractionDeassigned struct{ InteractionFields }

// InteractionChanged says that properties of an interaction changed.
type InteractionChanged struct{ InteractionFields }

// InteractionPostProcess says that the wrap-up began.
type InteractionPostProcess struct{ InteractionFields }

// InteractionEndPostProcess says that the wrap-up ended.
type InteractionEndPostProcess struct {
	InteractionFields

	// DispositionCode is a number, such as 1000, or a word, such as SALE.
	DispositionCode Text `json:"dispositionCode"`
}

// InteractionDeleted says that an interaction ended, or that one line of a conference
// did.
type InteractionDeleted struct {
	InteractionFields

	HangupInitiator  HangupInitiator `json:"hangupInitiator"`
	CallHangupReason HangupReason    `json:"callHangupReason"`
	// DispositionCode is a number, such as 1000, or a word, such as SALE.
	DispositionCode Text         `json:"dispositionCode"`
	AgentNotes      Text         `json:"agentNotes"`
	RejectReason    RejectReason `json:"rejectReason"`
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionCreated) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionCreated
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionQueued) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionQueued
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionAssigned) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionAssigned
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionAccepted) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionAccepted
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionCustomerAccepted) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionCustomerAccepted
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionRejected) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionRejected
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionUnqueued) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionUnqueued
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionQueueTimeout) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionQueueTimeout
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionDeassigned) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionDeassigned
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionChanged) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionChanged
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionPostProcess) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionPostProcess
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionEndPostProcess) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionEndPostProcess
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionDeleted) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionDeleted
	return decode(dec, (*fields)(e))
}
