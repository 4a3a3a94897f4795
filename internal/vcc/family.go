package vcc

// IsFamily tells whether name is one of the objects in which 8x8 wraps the
// fields of an event.
func IsFamily(name []byte) bool {
	switch string(name) {
	case "Interaction", "AgentStatusChange", "AgentProvChange":
		return true
	}
	return false
}
