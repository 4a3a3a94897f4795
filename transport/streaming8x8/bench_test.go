package streaming8x8

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

const queued = `{"Interaction":{"attachedData":{"attachedDatum":[{"attachedDataKey":"@pri","attachedDataValue":100},` +
	`{"attachedDataKey":"callingName","attachedDataValue":441632960001},{"attachedDataKey":"cha","attachedDataValue":441632960002},` +
	`{"attachedDataKey":"channelName","attachedDataValue":"Front desk"},{"attachedDataKey":"phoneNum","attachedDataValue":441632960001},` +
	`{"attachedDataKey":"priority","attachedDataValue":50},{"attachedDataKey":"queueDirection","attachedDataValue":"in"},` +
	`{"attachedDataKey":"tenantName","attachedDataValue":"tenant01"},{"attachedDataKey":"tenantSkillName","attachedDataValue":"Service"}]},` +
	`"callState":"CS_QUEUED","callerPermission":"yes","direction":"in","event":"InteractionQueued","eventTS":1744819217,` +
	`"inboundChannelid":441632960002,"interactionEventTS":1744819218,"interactionGUID":"int-1963f541b9f-AbCdEfGhIjKlMnOpQrStUvWxY-phone-01-tenant01",` +
	`"isAgentInitiated":false,"mediaType":"phone","msgInfo":{"instanceId":"sapi01.example.com","sequenceId":225,"timestamp":1744819218708},` +
	`"overrideAutoInteractionRecording":"yes","priority":50,"queueId":1162,"queueList":1162,"queueTime":1744819217,"resourceType":0,"transactionNum":848184}}`

// BenchmarkMap compares the mapper with the least that encoding/json can do
// for the same event: decode the members that matter and no others.
func BenchmarkMap(b *testing.B) {
	msg := &pulsarws.Message{ID: "CAEQAQ==", Payload: []byte(queued), PublishTime: time.Unix(1744819218, 0)}
	b.Run("scan", func(b *testing.B) {
		b.SetBytes(int64(len(queued)))
		b.ReportAllocs()
		for b.Loop() {
			e := eds.Event{ID: msg.ID}
			if err := Map(msg, &e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(queued)))
		b.ReportAllocs()
		for b.Loop() {
			var outer map[string]json.RawMessage
			if err := json.Unmarshal(msg.Payload, &outer); err != nil {
				b.Fatal(err)
			}
			var inner struct {
				Event, InteractionGUID, AgentID, CallState, MediaType, Direction string
				QueueID                                                          json.Number
				InteractionEventTS                                               int64
				MsgInfo                                                          struct{ Timestamp int64 }
			}
			for _, fields := range outer {
				if err := json.Unmarshal(fields, &inner); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
