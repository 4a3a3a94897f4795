package main

import (
	"fmt"
	"time"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
	"github.com/eventdelivery/eds-go/transport/streaming8x8"
)

// order is a sample of a topic of plain Pulsar.
func order(n int) pulsartest.Message {
	id := fmt.Sprintf("A-%04d", n/2+1)
	kind := [...]string{"ORDER_PLACED", "ORDER_SHIPPED"}[n%2]
	return pulsartest.Message{
		Payload:    fmt.Appendf(nil, `{"order":%q,"cents":%d}`, id, 100*(n/2+1)),
		Properties: map[string]string{"ce_type": kind},
		Key:        id,
	}
}

// steps are what happens in a call, in this order. Source of the shapes: 8x8's
// page "Event Reference".
var steps = []struct{ event, members string }{
	{"InteractionCreated", `"callState":"CS_IDLE","inboundChannelid":"13125550168"`},
	{"InteractionQueued", `"callState":"CS_QUEUED","direction":"in","queueId":162,"queueList":162,"priority":50,"mediaType":"phone"`},
	{"InteractionAssigned", `"callState":"CS_INPROGRESS","agentPhone":13125550199,"isOutboundCall":false,"recordingMode":"no","mediaType":"phone"`},
	{"InteractionAccepted", `"callState":"CS_CONNECTED","mediaType":"phone"`},
	{"AgentStatusChange", `"newState":5,"newSubState":"none","newSubStateReason":"none"`},
	{"InteractionDeleted", `"callState":"CS_DISCONNECTED","callHangupReason":"CEC_DISCONNECT_NORMAL","hangupInitiator":"CUSTOMER","dispositionCode":0,"mediaType":"phone"`},
}

// interaction is a sample of a topic of 8x8's. On a topic of one type, all are
// of that type, and on one of an agent, of that agent.
func interaction(topic topicName, n int, at time.Time) pulsartest.Message {
	call, step := n/len(steps)+1, steps[n%len(steps)]
	agent := "agSimulated0000000001"
	if topic.namespace == streaming8x8.AgentNamespace {
		agent = topic.topic
	}
	for _, s := range steps {
		if s.event == topic.topic {
			step = s
		}
	}
	info := fmt.Sprintf(`"msgInfo":{"instanceId":"simulator","sequenceId":%d,"timestamp":%d}`, n+1, at.UnixMilli())
	if step.event == "AgentStatusChange" {
		return pulsartest.Message{Payload: fmt.Appendf(nil, `{"AgentStatusChange":{%s,"agentId":%q,"statusEventTS":%d,%s}}`,
			info, agent, at.Unix(), step.members)}
	}
	return pulsartest.Message{Payload: fmt.Appendf(nil, `{"Interaction":{%s,"event":%q,"interactionGUID":"int-simulated-%06d-phone-01-%s","interactionEventTS":%d,"agentId":%q,%s}}`,
		info, step.event, call, topic.tenant, at.Unix(), agent, step.members)}
}
