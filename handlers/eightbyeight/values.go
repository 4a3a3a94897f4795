package eightbyeight

import "strings"

// CallState is where an interaction stands. The vendor's pages contradict one
// another about which event comes in which state: do not enforce an order.
type CallState = Text

// The call states of "Field Reference".
const (
	CallIdle         CallState = "CS_IDLE"
	CallQueued       CallState = "CS_QUEUED"
	CallInProgress   CallState = "CS_INPROGRESS" // ringing
	CallConnected    CallState = "CS_CONNECTED"
	CallHold         CallState = "CS_HOLD"
	CallDisconnected CallState = "CS_DISCONNECTED"
)

// HangupReason is why a call ended; see also HangupInitiator.
type HangupReason = Text

// The reasons of "Field Reference".
const (
	HangupNone       HangupReason = "CEC_NONE"
	HangupNormal     HangupReason = "CEC_DISCONNECT_NORMAL"
	HangupBusy       HangupReason = "CEC_DISCONNECT_BUSY"
	HangupBadAddress HangupReason = "CEC_DISCONNECT_BADADDRESS"
	HangupNoAnswer   HangupReason = "CEC_DISCONNECT_NOANSWER"
	HangupCancelled  HangupReason = "CEC_DISCONNECT_CANCELLED"
	HangupRejected   HangupReason = "CEC_DISCONNECT_REJECTED"
	HangupFailed     HangupReason = "CEC_DISCONNECT_FAILED"
	HangupBlocked    HangupReason = "CEC_DISCONNECT_BLOCKED"
)

// HangupInitiator is who ended a call.
type HangupInitiator = Text

// The initiators of "Event Reference".
const (
	HangupByAgent    HangupInitiator = "AGENT"
	HangupByCustomer HangupInitiator = "CUSTOMER"
	HangupBySystem   HangupInitiator = "SYSTEM"
)

// AgentState is the newState of an AgentStatusChange. "Event Lifecycle" names
// these three; others come, and are not described.
type AgentState = Number

// The states that are named.
const (
	AgentLoggedOut AgentState = "0"
	AgentLoggedIn  AgentState = "1"
	AgentAvailable AgentState = "5"
)

// RejectReason is why an agent did not take an interaction.
type RejectReason = Number

// The reasons of "Field Reference".
const (
	RejectUnknown RejectReason = "0"
	RejectTimeout RejectReason = "1"
	RejectByAgent RejectReason = "2"
)

// ResourceType is the kind of channel. It does not follow from the media type,
// nor that from it: "Field Reference" has chat for SMS and phone for video.
type ResourceType = Number

// The types of "Field Reference".
const (
	ResourcePhone ResourceType = "0"
	ResourceEmail ResourceType = "1"
	ResourceChat  ResourceType = "2"
	ResourceSMS   ResourceType = "3"
	ResourceVideo ResourceType = "4"
)

// The media types and directions of "Message Format".
const (
	MediaPhone Text = "phone"
	MediaChat  Text = "chat"
	MediaEmail Text = "email"

	DirectionIn  Text = "in"
	DirectionOut Text = "out"
)

// The status of RecordingStatus.
const (
	RecordingPause  Text = "pause"
	RecordingResume Text = "resume"
)

// RecordingMode is whether an interaction is recorded. The pages give it as yes
// and no, and as 0, 1 and 2.
type RecordingMode string

// Recording tells whether the mode says that there is a recording: yes, 1 and
// 2 (monitoring), or no and 0. ok is false when it says something else.
func (m RecordingMode) Recording() (on, ok bool) {
	if m.Monitor() {
		return true, true
	}
	return Bool(m).Value()
}

// Monitor tells whether the recording is one without notice to those recorded.
func (m RecordingMode) Monitor() bool { return strings.TrimSpace(string(m)) == "2" }

// UnmarshalJSON is as that of Text.
func (m *RecordingMode) UnmarshalJSON(b []byte) error { *m = RecordingMode(text(b)); return nil }

// AgentList is a list of agents' short ids in one text.
type AgentList string

// IDs returns the ids: the text split at commas and semicolons, without what is
// empty.
func (l AgentList) IDs() []string {
	ids := strings.FieldsFunc(string(l), func(r rune) bool { return r == ',' || r == ';' })
	kept := ids[:0]
	for _, id := range ids {
		if id = strings.TrimSpace(id); id != "" {
			kept = append(kept, id)
		}
	}
	return kept
}

// UnmarshalJSON is as that of Text.
func (l *AgentList) UnmarshalJSON(b []byte) error { *l = AgentList(text(b)); return nil }

// QueueNumber returns the number of the queue that a text such as
// tenant01~~1162~~phone~~GUID or tenant01~~queue~~phone~~591 names: the first
// part behind the tenant that is all digits. "" when there is none.
func QueueNumber(que Text) Number {
	_, parts, ok := strings.Cut(string(que), "~~")
	if !ok {
		parts = string(que)
	}
	for part := range strings.SplitSeq(parts, "~~") {
		if part != "" && strings.Trim(part, "0123456789") == "" {
			return Number(part)
		}
	}
	return ""
}
