package main

import (
	"context"
	"errors"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
	"github.com/eventdelivery/eds-go/transport/streaming8x8"
)

const (
	tenant       = "acme"
	subscription = "wallboard"
	apiKey       = "eght_demo"
)

var topic = tenant + "/" + streaming8x8.AllEvents.String()

var errAllDone = errors.New("every event was acknowledged")

// service is a stand-in for 8x8 Event Streaming.
type service struct{ *pulsartest.Server }

func startService() (*service, error) {
	s := &service{pulsartest.NewServer(pulsartest.APIKey(apiKey))}
	return s, s.Start()
}

// publish puts the events of a morning into the topic, in the forms that 8x8
// has for the same thing, and drops the connection once in the middle of it.
func (s *service) publish() error {
	t, err := s.Topic(topic)
	if err != nil {
		return err
	}
	// A new subscription begins with what is published after it was made.
	t.Subscribe(subscription, true)
	s.OnDeliver(pulsartest.Drop(), pulsartest.Skip(5))
	for _, body := range []string{
		`{"AgentStatusChange":{"agentId":"agA","newState":5,"newSubState":"none","statusEventTS":1744819100,"msgInfo":{}}}`,
		`{"AgentStatusChange":{"agentId":"agB","newState":"0","statusEventTS":"1744819101","msgInfo":""}}`,

		`{"Interaction":{"event":"InteractionCreated","interactionGUID":"int-1","interactionEventTS":1744819200,` +
			`"attachedData":{"attachedDatum":[{"attachedDataKey":"callingName","attachedDataValue":"Ada Example"}]}}}`,
		`{"Interaction":{"event":"InteractionCreated","interactionGUID":"int-2","interactionEventTS":"1744819201",` +
			`"attachedData":{"attachedDatum":{"attachedDataKey":"callingName","attachedDataValue":447700900123}}}}`,
		`{"Interaction":{"event":"InteractionQueued","interactionGUID":"int-1","callState":"CS_QUEUED","queueId":1162}}`,
		`{"Interaction":{"event":"InteractionAccepted","interactionGUID":"int-1","agentId":"agA"}}`,
		`{"Interaction":{"event":"InteractionCreated","interactionGUID":"int-3","interactionEventTS":1744819210,"attachedData":""}}`,
		`{"Interaction":{"event":"InteractionDeleted","interactionGUID":"int-2","interactionEventTS":1744819260,` +
			`"hangupInitiator":"SYSTEM","callHangupReason":"CEC_DISCONNECT_NOANSWER"}}`,
		`{"Interaction":{"event":"InteractionSentimentMeasured","interactionGUID":"int-1"}}`,
		`{"Interaction":{"event":"InteractionDeleted","interactionGUID":"int-1","interactionEventTS":1744819387,` +
			`"hangupInitiator":"CUSTOMER","callHangupReason":"CEC_DISCONNECT_NORMAL","dispositionCode":"SALE"}}`,
		`{"Interaction":{"event":"InteractionDeleted","interactionGUID":"int-3","interactionEventTS":1744819215,` +
			`"callHangupReason":"CEC_DISCONNECT_NORMAL","dispositionCode":1000}}`,
		`this is not an event`,
	} {
		if _, err := s.Publish(topic, pulsartest.Message{Payload: []byte(body)}); err != nil {
			return err
		}
	}
	return nil
}

// done waits until the subscription has acknowledged everything.
func (s *service) done(ctx context.Context) error {
	if err := s.WaitIdle(ctx, topic, subscription); err != nil {
		return err
	}
	return errAllDone
}
