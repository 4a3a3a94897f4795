package eightbyeight_test

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers"
	. "github.com/eventdelivery/eds-go/handlers/eightbyeight"
	"github.com/eventdelivery/eds-go/internal/vcc"
)

// decoded is what the handlers of a catalogue's type made of a payload.
type decoded func(t *testing.T, payload string, opts ...handlers.Option) any

func as[T any](t *testing.T, payload string, opts ...handlers.Option) any {
	t.Helper()
	return read[T](t, payload, opts...)
}

// read decodes as an application does: through handlers.Typed.
func read[T any](t *testing.T, payload string, opts ...handlers.Option) *T {
	t.Helper()
	var got *T
	h := handlers.Typed(func(_ context.Context, e *T) error { got = e; return nil }, opts...)
	if err := h(t.Context(), &eds.Event{Payload: []byte(payload)}); err != nil {
		t.Fatalf("%v\n%s", err, payload)
	}
	// A T that is no pointer decodes alike.
	byValue := handlers.Typed(func(_ context.Context, e T) error {
		if !reflect.DeepEqual(*got, e) {
			t.Errorf("%T: by value %+v, by pointer %+v", e, e, *got)
		}
		return nil
	}, opts...)
	if err := byValue(t.Context(), &eds.Event{Payload: []byte(payload)}); err != nil {
		t.Error(err)
	}
	return got
}

// catalogue is every type with its struct.
var catalogue = map[string]decoded{
	TypeAgentStatusChange:                   as[AgentStatusChange],
	TypeAgentProvChange:                     as[AgentProvChange],
	TypeAgentSkillCreated:                   as[AgentSkillCreated],
	TypeAgentSkillChanged:                   as[AgentSkillChanged],
	TypeAgentUpdate:                         as[AgentUpdate],
	TypeAgentLoginUpdate:                    as[AgentLoginUpdate],
	TypeInteractionCreated:                  as[InteractionCreated],
	TypeInteractionQueued:                   as[InteractionQueued],
	TypeInteractionAssigned:                 as[InteractionAssigned],
	TypeInteractionAccepted:                 as[InteractionAccepted],
	TypeInteractionCustomerAccepted:         as[InteractionCustomerAccepted],
	TypeInteractionRejected:                 as[InteractionRejected],
	TypeInteractionUnqueued:                 as[InteractionUnqueued],
	TypeInteractionQueueTimeout:             as[InteractionQueueTimeout],
	TypeInteractionDeassigned:               as[InteractionDeassigned],
	TypeInteractionChanged:                  as[InteractionChanged],
	TypeInteractionPostProcess:              as[InteractionPostProcess],
	TypeInteractionEndPostProcess:           as[InteractionEndPostProcess],
	TypeInteractionDeleted:                  as[InteractionDeleted],
	TypeLineHoldStatus:                      as[LineHoldStatus],
	TypeLineMuteStatus:                      as[LineMuteStatus],
	TypeInteractionTransferRequest:          as[InteractionTransferRequest],
	TypeInteractionReconnect:                as[InteractionReconnect],
	TypeInteractionParticipantChange:        as[InteractionParticipantChange],
	TypeInteractionParticipantRemovedByHost: as[InteractionParticipantRemovedByHost],
	TypeInteractionJoinLinesRequest:         as[InteractionJoinLinesRequest],
	TypeInteractionJoined:                   as[InteractionJoined],
	TypeInteractionRecordingStarted:         as[InteractionRecordingStarted],
	TypeRecordingStatus:                     as[RecordingStatus],
	TypeInteractionRecordingReady:           as[InteractionRecordingReady],
	TypeGuestChatEnd:                        as[GuestChatEnd],
	TypeMediaProxyAdded:                     as[MediaProxyAdded],
	TypeMediaProxyRemoved:                   as[MediaProxyRemoved],
}

func TestCatalogueHasTheTypesThatTheMapperKnows(t *testing.T) {
	for _, name := range vcc.Types() {
		decode, ok := catalogue[name]
		if !ok {
			t.Errorf("%s has no struct", name)
			continue
		}
		if got := reflect.TypeOf(decode(t, `{"x":{}}`)).Elem().Name(); got != name {
			t.Errorf("%s decodes as %s", name, got)
		}
	}
	if len(catalogue) != len(vcc.Types()) {
		t.Errorf("%d structs for %d types", len(catalogue), len(vcc.Types()))
	}
}

// Whatever stands in the place of a field, in every struct and wrapper.
func TestNoValueStopsAnEvent(t *testing.T) {
	values := []string{
		`null`, `""`, `"text"`, `"0123"`, `true`, `false`, `"true"`, `"yes"`, `0`, `-1`, `1e400`, `"1e400"`,
		`123456789012345678901234567890`, `1744819217183000001`, `{}`, `[]`, `{"a":{"b":[1,2]}}`, `[[1],"x",2]`, `"\ud83d\ude00\"\\"`,
	}
	for name, decode := range catalogue {
		fields := members(reflect.TypeOf(decode(t, `{"x":{}}`)).Elem())
		if !slices.Contains(fields, "msgInfo") {
			t.Fatalf("%s: found the members %q alone", name, fields)
		}
		for _, value := range values {
			all := map[string]json.RawMessage{}
			for _, f := range fields {
				all[f] = json.RawMessage(value)
			}
			inner, err := json.Marshal(all)
			if err != nil {
				t.Fatal(err)
			}
			var opts []handlers.Option
			if value[0] != '{' { // an object has members that are not known
				opts = append(opts, handlers.Strict()) // proves that members named them all
			}
			decode(t, `{"Interaction":`+string(inner)+`}`, opts...)
			decode(t, `{"Unheard":`+string(inner)+`}`, opts...)
			decode(t, string(inner), opts...)
		}
	}
}

// members are the names of the fields of a struct, in structs too.
func members(t reflect.Type) []string {
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		if tag := f.Tag.Get("json"); tag != "" {
			names = append(names, tag)
		}
	}
	return names
}
