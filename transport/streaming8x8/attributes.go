package streaming8x8

import (
	"bytes"
	"unicode/utf8"

	"github.com/eventdelivery/eds-go/eds"
)

// The attributes of an event that the mapper takes from its body, for filters,
// for eds.OrderBy and for handlers that do not decode. A property that the
// producer gave the same name is replaced. They are the body's names in lower
// case, so that they can be CloudEvents attributes (specification 1.0.2,
// "Naming Conventions").
const (
	// AttrFamily is the object that wraps the body: Interaction,
	// AgentStatusChange, AgentProvChange; missing when the body is flat.
	AttrFamily = "family"
	// AttrInteraction is what all events of one interaction have in common.
	AttrInteraction = "interactionguid"
	// AttrAgent is the short id of the agent.
	AttrAgent = "agentid"
	// AttrQueue is the number of the queue in which the interaction is.
	AttrQueue = "queueid"
	// AttrCallState, AttrMediaType and AttrDirection are as in the body.
	AttrCallState = "callstate"
	AttrMediaType = "mediatype"
	AttrDirection = "direction"
	// AttrTenant is there in flat bodies alone.
	AttrTenant = "tenantid"
)

// maxText is how long an attribute or an id may be; what is longer is left
// out. The longest in 8x8's samples has 84 bytes.
const maxText = 256

// OrderKey is for eds.OrderBy: it keeps the events of one interaction in order,
// and those of an agent that belong to none.
func OrderKey(e *eds.Event) string {
	if guid := e.Attributes[AttrInteraction]; guid != "" {
		return guid
	}
	return e.Attributes[AttrAgent]
}

// attributes sets those of e. All texts share one string.
func (s *scanner) attributes(b *body, e *eds.Event) {
	all := [...]struct {
		name  string
		value value
	}{
		{AttrFamily, b.family},
		{AttrInteraction, first(b.interactionGUID, b.data.interactionGUID)},
		{AttrAgent, first(b.agentID, b.data.agentID)},
		{AttrQueue, first(b.queueID, b.data.queueID)},
		{AttrCallState, first(b.callState, b.data.callState)},
		{AttrMediaType, first(b.mediaType, b.data.mediaType)},
		{AttrDirection, first(b.direction, b.data.direction)},
		{AttrTenant, first(b.tenantID, b.data.tenantID)},
	}
	s.text = s.text[:0]
	var ends [len(all)]int
	for i, a := range all {
		if text := a.value.text(); len(text) <= maxText {
			if utf8.Valid(text) {
				s.text = append(s.text, text...)
			} else {
				s.text = append(s.text, bytes.ToValidUTF8(text, []byte("\uFFFD"))...)
			}
		}
		ends[i] = len(s.text)
	}
	if len(s.text) == 0 {
		return
	}
	if e.Attributes == nil {
		e.Attributes = make(map[string]string, len(all))
	}
	texts, start := string(s.text), 0
	for i, end := range ends {
		if end > start {
			e.Attributes[all[i].name] = texts[start:end]
		}
		start = end
	}
}

// free gives s back for another message, without what it read.
func (s *scanner) free() {
	s.in, s.payload = bytes.Buffer{}, nil
	s.dec.Reset(&s.in)
	scanners.Put(s)
}
