package vcc

import "strings"

// types are the event types in the order of "Event Reference". The last two
// are named in "Field Reference" alone.
var types = []string{
	"AgentStatusChange", "AgentProvChange", "AgentSkillCreated", "AgentSkillChanged",
	"InteractionCreated", "InteractionQueued", "InteractionAssigned", "InteractionAccepted",
	"InteractionCustomerAccepted", "InteractionRejected", "InteractionUnqueued",
	"LineHoldStatus", "LineMuteStatus",
	"InteractionRecordingStarted", "RecordingStatus", "InteractionPostProcess",
	"InteractionRecordingReady", "InteractionEndPostProcess", "InteractionDeassigned",
	"InteractionTransferRequest", "InteractionReconnect", "InteractionParticipantChange",
	"InteractionParticipantRemovedByHost", "InteractionJoinLinesRequest", "InteractionJoined",
	"InteractionChanged", "InteractionQueueTimeout", "InteractionDeleted",
	"GuestChatEnd", "MediaProxyAdded", "MediaProxyRemoved",
	"AgentUpdate", "AgentLoginUpdate",
}

// spellings finds a type by its name, as it is and in lower case.
var spellings = func() map[string]string {
	m := make(map[string]string, 2*len(types))
	for _, t := range types {
		m[t], m[strings.ToLower(t)] = t, t
	}
	return m
}()

// Types returns the names of all known event types.
func Types() []string { return append([]string(nil), types...) }

// longest is more than the length of every known name.
const longest = 64

// Canonical returns the known type of which name is a spelling: 8x8's own
// pages write InteractionDeassigned and InteractionDeAssigned. It costs no
// allocation when name is spelled as in Types.
func Canonical(name []byte) (string, bool) {
	if t, ok := spellings[string(name)]; ok || len(name) > longest {
		return t, ok
	}
	t, ok := spellings[strings.ToLower(string(name))]
	return t, ok
}
