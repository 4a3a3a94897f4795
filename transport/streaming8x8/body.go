package streaming8x8

// body is what the mapper wants to know of a payload.
type body struct {
	members
	// family is the name of the object that wraps the fields; nil in a flat
	// body.
	family value
	// data are the members of a flat body's "data".
	data members

	wrapped members // of a known family, while the body is being read
}

// members are the ones of an object that mean something to the mapper; nil
// where they are missing.
type members struct {
	event, interactionGUID, agentID, queueID value
	callState, mediaType, direction          value
	interactionTime, statusTime              value

	// Of msgInfo.
	instanceID, sequenceID, published value

	// Of flat bodies alone.
	eventID, eventType, timestamp, tenantID value
}

// member returns where the member called name belongs; nil when it means
// nothing.
func (m *members) member(name value) *value {
	switch string(name.text()) {
	case "event":
		return &m.event
	case "interactionGUID":
		return &m.interactionGUID
	case "agentId":
		return &m.agentID
	case "queueId":
		return &m.queueID
	case "callState":
		return &m.callState
	case "mediaType":
		return &m.mediaType
	case "direction":
		return &m.direction
	case "interactionEventTS":
		return &m.interactionTime
	case "statusEventTS":
		return &m.statusTime
	case "eventId":
		return &m.eventID
	case "eventType":
		return &m.eventType
	case "timestamp":
		return &m.timestamp
	case "tenantId":
		return &m.tenantID
	}
	return nil
}

// ofInfo is member for the members of msgInfo.
func (m *members) ofInfo(name value) *value {
	switch string(name.text()) {
	case "instanceId":
		return &m.instanceID
	case "sequenceId":
		return &m.sequenceID
	case "timestamp":
		return &m.published
	}
	return nil
}
