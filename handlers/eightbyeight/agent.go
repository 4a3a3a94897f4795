package eightbyeight

import "github.com/go-json-experiment/json/jsontext"

// The types of the events in this file.
const (
	TypeAgentStatusChange = "AgentStatusChange"
	TypeAgentProvChange   = "AgentProvChange"
	TypeAgentSkillCreated = "AgentSkillCreated"
	TypeAgentSkillChanged = "AgentSkillChanged"
	TypeAgentUpdate       = "AgentUpdate"
	TypeAgentLoginUpdate  = "AgentLoginUpdate"
)

// AgentFields are the members that an event about an agent can have.
type AgentFields struct {
	Common

	// AgentID is the short id of the agent, AgentGUID the full one.
	AgentID   Text `json:"agentId"`
	AgentGUID Text `json:"agentGUID"`
}

// SkillFields are the members of an event about an agent's skill.
type SkillFields struct {
	AgentFields

	// Enabled tells whether the agent has the skill now.
	Enabled Bool `json:"enabled"`
	// SkillID is the skill of this agent, TenantSkillID that of the tenant.
	SkillID       Text `json:"skillId"`
	TenantSkillID Text `json:"tenantSkillId"`
}

// AgentStatusChange says in which state an agent is now.
type AgentStatusChange struct {
	AgentFields

	NewState          AgentState `json:"newState"`
	NewSubState       Text       `json:"newSubState"`
	NewSubStateReason Text       `json:"newSubStateReason"`
	// NewReasonCodeUser is the code that the agent chose, such as 801=1722:
	// the number of the list of codes, and that of the code in it.
	NewReasonCodeUser Text `json:"newReasonCodeUser"`
}

// AgentProvChange says that the profile of an agent changed. The mapper gives the
// type that its "event" names, such as AgentSkillChanged, and this one only
// when there is none.
type AgentProvChange struct{ SkillFields }

// AgentSkillCreated says that an agent got a skill.
type AgentSkillCreated struct{ SkillFields }

// AgentSkillChanged says that a skill of an agent was switched on or off.
type AgentSkillChanged struct{ SkillFields }

// AgentUpdate is named in "Field Reference" alone, as without a time of its own;
// its fields are not published.
type AgentUpdate struct{ AgentFields }

// AgentLoginUpdate is named in "Field Reference" alone, as without a time of its
// own; its fields are not published.
type AgentLoginUpdate struct{ AgentFields }

// UnmarshalJSONFrom is as that of Interaction.
func (e *AgentStatusChange) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields AgentStatusChange
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *AgentProvChange) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields AgentProvChange
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *AgentSkillCreated) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields AgentSkillCreated
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *AgentSkillChanged) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields AgentSkillChanged
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *AgentUpdate) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields AgentUpdate
	return decode(dec, (*fields)(e))
}

// UnmarshalJSONFrom is as that of Interaction.
func (e *AgentLoginUpdate) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields AgentLoginUpdate
	return decode(dec, (*fields)(e))
}
