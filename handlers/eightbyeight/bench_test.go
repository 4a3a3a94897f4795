package eightbyeight_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers"
	. "github.com/eventdelivery/eds-go/handlers/eightbyeight"
)

// BenchmarkTyped is what decoding costs a handler, beside encoding/json with
// fixed Go types, which the first odd value would stop.
func BenchmarkTyped(b *testing.B) {
	payload := mustRead(b, TypeInteractionQueued)
	event := &eds.Event{Payload: payload}
	b.Run("catalogue", func(b *testing.B) {
		h := handlers.Typed(func(context.Context, *InteractionQueued) error { return nil })
		b.SetBytes(int64(len(payload)))
		b.ReportAllocs()
		for b.Loop() {
			if err := h(b.Context(), event); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(payload)))
		b.ReportAllocs()
		for b.Loop() {
			var e struct {
				Interaction struct {
					AttachedData struct {
						AttachedDatum []struct {
							AttachedDataKey   string
							AttachedDataValue any
						}
					}
					CallState, CallerPermission, Direction, Event, InteractionGUID, MediaType, OverrideAutoInteractionRecording          string
					EventTS, InboundChannelid, InteractionEventTS, Priority, QueueID, QueueList, QueueTime, ResourceType, TransactionNum int64
					IsAgentInitiated                                                                                                     bool
					MsgInfo                                                                                                              struct {
						InstanceID            string
						SequenceID, Timestamp int64
					}
				}
			}
			if err := json.Unmarshal(payload, &e); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func mustRead(tb testing.TB, name string) []byte {
	tb.Helper()
	return []byte(sample(tb, name))
}
