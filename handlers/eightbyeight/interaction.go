package eightbyeight

import "github.com/go-json-experiment/json/jsontext"

// Interaction is an event about an interaction, of whatever type, with what
// most of them have in common: for a handler of many types, and for types that
// are not listed.
//
//	app.Handle("Interaction*", handlers.Typed(func(ctx context.Context, e *eightbyeight.Interaction) error { ... }))
type Interaction struct{ InteractionFields }

// InteractionFields are the members that an event about an interaction can
// have. Which of them come depends on the type, the medium and the tenant.
// Sources: "Message Format", "Event Reference", "Field Reference".
type InteractionFields struct {
	Common

	// InteractionGUID is the same in all events of one interaction.
	InteractionGUID Text `json:"interactionGUID"`
	// EventTS is when the interaction was offered. It is the same in all its
	// events, and often missing: for when the event happened, see Time.
	EventTS Seconds `json:"eventTS"`
	// QueueTime is when the interaction entered the queue.
	QueueTime Seconds   `json:"queueTime"`
	CallState CallState `json:"callState"`
	// MediaType is MediaPhone or another; Direction DirectionIn or DirectionOut.
	MediaType    Text         `json:"mediaType"`
	Direction    Text         `json:"direction"`
	ResourceType ResourceType `json:"resourceType"`
	AttachedData AttachedData `json:"attachedData"`

	// AgentID is the short id of the agent, AgentGUID the full one.
	AgentID             Text      `json:"agentId"`
	AgentGUID           Text      `json:"agentGUID"`
	ParticipatingAgents AgentList `json:"participatingAgents"`

	// QueueID is the number of the queue. See Queue.
	QueueID        Number `json:"queueId"`
	QueueList      Text   `json:"queueList"`
	TransactionNum Number `json:"transactionNum"`
	// Priority is higher for what is to be taken first.
	Priority Number `json:"priority"`

	RecordingMode                          RecordingMode `json:"recordingMode"`
	CallerPermission                       Bool          `json:"callerPermission"`
	OverrideAutoInteractionRecording       Bool          `json:"overrideAutoInteractionRecording"`
	AllowAgentOverrideInteractionRecording Bool          `json:"allowAgentOverrideInteractionRecording"`

	IsAgentInitiated Bool `json:"isAgentInitiated"`
	IsDirectAccess   Bool `json:"isDirectAccess"`
	IsExternal       Bool `json:"isExternal"`
	IsOutboundCall   Bool `json:"isOutboundCall"`
	IsQueued         Bool `json:"isQueued"`

	// InboundChannelID is the number that was called; "N/A" when it is outbound.
	InboundChannelID   Text `json:"inboundChannelid"`
	EmailSourceAddress Text `json:"emailSourceAddress"`
}

// Queue returns the number of the queue: QueueID, else the one in the attached
// data.
func (f *InteractionFields) Queue() Number {
	if f.QueueID != "" {
		return f.QueueID
	}
	return f.AttachedData.QueueID()
}

// UnmarshalJSONFrom decodes a body with or without its wrapper.
func (e *Interaction) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type fields Interaction
	return decode(dec, (*fields)(e))
}
