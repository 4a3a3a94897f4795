package eightbyeight

import "github.com/go-json-experiment/json/jsontext"

// The types of the events in this file.
const (
	TypeInteractionRecordingStarted = "InteractionRecordingStarted"
	TypeRecordingStatus             = "RecordingStatus"
	TypeInteractionRecordingReady   = "InteractionRecordingReady"
	TypeGuestChatEnd                = "GuestChatEnd"
	TypeMediaProxyAdded             = "MediaProxyAdded"
	TypeMediaProxyRemoved           = "MediaProxyRemoved"
)

// InteractionRecordingStarted says that a line is being recorded.
type InteractionRecordingStarted struct{ InteractionFields }

// RecordingStatus says that a recording was paused or goes on.
type RecordingStatus struct {
	InteractionFields

	// Status is RecordingPause or RecordingResume.
	Status Text `json:"status"`
	// IsAPICall tells whether a program asked for it.
	IsAPICall Bool `json:"isAPICall"`
}

// InteractionRecordingReady says that a recording can be fetched.
type InteractionRecordingReady struct{ InteractionFields }

// GuestChatEnd says that a guest left the chat. Of the times it has EventTS alone.
type GuestChatEnd struct{ InteractionFields }

// MediaProxyAdded says that a media proxy was added.
type MediaProxyAdded struct{ InteractionFields }

// MediaProxyRemoved says that a media proxy was removed.
type MediaProxyRemoved struct{ InteractionFields }

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionRecordingStarted) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionRecordingStarted
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *RecordingStatus) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields RecordingStatus
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *InteractionRecordingReady) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields InteractionRecordingReady
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *GuestChatEnd) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields GuestChatEnd
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *MediaProxyAdded) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields MediaProxyAdded
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *MediaProxyRemoved) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields MediaProxyRemoved
	return decode(dec, (*fields)(e))
}
