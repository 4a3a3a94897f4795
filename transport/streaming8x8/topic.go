package streaming8x8

import (
	"github.com/eventdelivery/eds-go/internal/vcc"
)

// The namespaces of a tenant. A later version of the events gets another
// suffix and leaves these as they are. Source: "Connection Guide".
const (
	EventNamespace = "event-v1"
	AgentNamespace = "agent-v1"
)

// Topic is one of the topics of a tenant: AllEvents, EventType or Agent. An
// event is published on all three, each time with a message id of its own; see
// CrossTopicID.
type Topic struct {
	// Namespace is EventNamespace or AgentNamespace.
	Namespace string
	// Name is not escaped.
	Name string
}

// AllEvents is the topic with every event of the tenant.
var AllEvents = Topic{EventNamespace, "all"}

// EventType is the topic with the events of one type alone, such as
// InteractionCreated. A known type gets the catalogue's spelling, since names
// of topics match in case; others stay as they are. 8x8 does not say whether
// AgentSkillChanged has a topic or goes to that of AgentProvChange.
func EventType(name string) Topic {
	if known, ok := vcc.Canonical([]byte(name)); ok {
		name = known
	}
	return Topic{EventNamespace, name}
}

// Agent is the topic with the events of one agent. The id is the short one, as
// in "agentId", such as agAglVJkg0TU28dok9y9UQKg; with the full GUID the topic
// stays silent.
func Agent(id string) Topic { return Topic{AgentNamespace, id} }

// String is the topic as in persistent/{tenant}/{topic}, not escaped.
func (t Topic) String() string { return t.Namespace + "/" + t.Name }
