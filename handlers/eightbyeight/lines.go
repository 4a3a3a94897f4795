package eightbyeight

import "github.com/go-json-experiment/json/jsontext"

// The types of the events in this file.
const (
	TypeLineHoldStatus                      = "LineHoldStatus"
	TypeLineMuteStatus                      = "LineMuteStatus"
	TypeInteractionTransferRequest          = "InteractionTransferRequest"
	TypeInteractionReconnect                = "InteractionReconnect"
	TypeInteractionParticipantChange        = "InteractionParticipantChange"
	TypeInteractionParticipantRemovedByHost = "InteractionParticipantRemovedByHost"
	TypeInteractionJoinLinesRequest         = "InteractionJoinLinesRequest"
	TypeInteractionJoined                   = "InteractionJoined"
)

// LineHoldStatus says that a call was put on hold or taken off it.
type LineHoldStatus struct {
	InteractionFields

	// Status is true on hold.
	Status Bool `json:"status"`
}

// LineMuteStatus says that a call was muted or unmuted.
type LineMuteStatus struct {
	InteractionFields

	// Status is true when muted.
	Status Bool `json:"status"`
}

// InteractionTransferRequest says that a transfer was asked for.
type InteractionTransferRequest struct{ InteractionFields }

// InteractionReconnect says that an interaction was connected again.
type InteractionReconnect struct{ InteractionFields }

// InteractionParticipantChange says that somebody joined or left, such as a supervisor.
type InteractionParticipantChange struct{ InteractionFields }

// InteractionParticipantRemovedByHost says that the host removed a participant.
type InteractionParticipantRemovedByHost struct{ InteractionFields }

// InteractionJoinLinesRequest says that lines are to be joined.
type InteractionJoinLinesRequest struct{ InteractionFields }

// InteractionJoined says that lines were joined.
type InteractionJoined struct{ InteractionFields }

// UnmarshalJSONFrom is as that of Interaction.
func (e *LineHoldStatus) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields LineHoldStatus
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *LineMuteStatus) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields LineMuteStatus
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionTransferRequest) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionTransferRequest
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionReconnect) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionReconnect
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionParticipantChange) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionParticipantChange
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionParticipantRemovedByHost) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionParticipantRemovedByHost
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionJoinLinesRequest) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionJoinLinesRequest
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionJoined) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionJoined
	return decode(dec, (*fields)(e))
}
