package eightbyeight_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	. "github.com/eventdelivery/eds-go/handlers/eightbyeight"
)

// 8x8's pages contradict one another. Each test here says what two of them say
// and that both readings work. What concerns the message around the body is
// tested with the transport.

// "Getting Started" shows a flat body, "Event Reference" a wrapped one.
func TestContradictionOfBodies(t *testing.T) {
	fields := `"event":"InteractionCreated","interactionGUID":"int-1","msgInfo":{"timestamp":1744819217183}`
	want := read[InteractionCreated](t, `{"Interaction":{`+fields+`}}`)
	if want.InteractionGUID != "int-1" || !want.MsgInfo.Timestamp.Valid() {
		t.Fatalf("%+v", want)
	}
	for _, body := range []string{
		`{` + fields + `}`,
		` { "Interaction" : {` + fields + ` } } `,
		`{"SomethingNew":{` + fields + `}}`,
		`{"version":2,"Interaction":{` + fields + `},"more":{"event":"no"}}`,
		`{"text":"} \\\" {","Interaction":{` + fields + `}}`,
	} {
		if got := read[InteractionCreated](t, body); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", body, got)
		}
	}

	// The members are those of the page; the values are composed.
	flat := `{"eventId":"evt_1","eventType":"agent.login","timestamp":"2025-10-15T09:30:00Z","tenantId":"acme","data":{"agentId":12345,"eventId":"inner","extensionId":"67890"}}`
	login := read[AgentLoginUpdate](t, flat)
	if login.EventID != "evt_1" || login.EventType != "agent.login" || login.TenantID != "acme" || login.AgentID != "12345" ||
		!login.Time().Equal(time.Date(2025, 10, 15, 9, 30, 0, 0, time.UTC)) || string(login.Data) != `{"agentId":12345,"eventId":"inner","extensionId":"67890"}` {
		t.Errorf("%+v", login)
	}
	for _, empty := range []string{`{}`, `{"Interaction":{}}`, `{"Interaction":""}`, `{"Interaction":null}`, `{"data":{}}`, `{"msgInfo":{}}`} {
		if got := read[InteractionCreated](t, empty); got.Event != "" || !got.Time().IsZero() {
			t.Errorf("%s: %+v", empty, got)
		}
	}
}

// "Event Lifecycle" measures with eventTS, "Field Reference" says that it is
// the same in all events of an interaction.
func TestContradictionOfEventTime(t *testing.T) {
	for fields, want := range map[string]int64{
		`"interactionEventTS":1744819274,"statusEventTS":3,"msgInfo":{"timestamp":2000},"eventTS":1`: 1744819274000,
		`"interactionEventTS":"1744819274","eventTS":1`:                                              1744819274000,
		`"interactionEventTS":0,"statusEventTS":1744819144,"msgInfo":{"timestamp":2000},"eventTS":1`: 1744819144000,
		`"interactionEventTS":"","statusEventTS":null,"msgInfo":{"timestamp":2000},"eventTS":1`:      2000,
		`"interactionEventTS":"N/A","msgInfo":{"timestamp":"2000"},"eventTS":1`:                      2000,
		`"eventTS":1744819217,"queueTime":1744819217`:                                                0,
	} {
		at := read[InteractionCreated](t, `{"Interaction":{`+fields+`}}`).Time()
		if want == 0 && !at.IsZero() || want != 0 && at.UnixMilli() != want {
			t.Errorf("%s: %v", fields, at)
		}
	}
}

// "Field Reference" has msgInfo on every event, the samples have it empty.
func TestContradictionOfMsgInfo(t *testing.T) {
	for _, info := range []string{`{}`, `""`, `null`, `[]`, `7`, `{"timestamp":""}`, `{"timestamp":{}}`} {
		got := read[InteractionQueued](t, `{"Interaction":{"msgInfo":`+info+`,"callState":"CS_QUEUED"}}`)
		if !got.Time().IsZero() || got.CallState != CallQueued || got.MsgInfo.SequenceID.Valid() {
			t.Errorf("%s: %+v", info, got)
		}
	}
}

// Booleans are strings on an old page, booleans in samples, either one by value
// on a new page.
func TestContradictionOfBooleans(t *testing.T) {
	for json, want := range map[string]bool{`true`: true, `"true"`: true, `"yes"`: true, `1`: true, `"1"`: true, `false`: false, `"false"`: false, `"no"`: false, `0`: false} {
		got := read[InteractionAssigned](t, `{"Interaction":{"isOutboundCall":`+json+`}}`)
		if yes, ok := got.IsOutboundCall.Value(); yes != want || !ok {
			t.Errorf("%s: %v, %v", json, yes, ok)
		}
	}
}

// attachedData is pairs of key and value, an array, or an object that holds
// attachedDatum; a conversion from XML may leave one object instead of an
// array, and "" for nothing.
func TestContradictionOfAttachedData(t *testing.T) {
	pair := `{"attachedDataKey":"phoneNum","attachedDataValue":5515550112}`
	want := AttachedData{{KeyPhoneNum, "5515550112"}}
	for _, json := range []string{
		`{"attachedDatum":[` + pair + `]}`, `{"attachedDatum":` + pair + `}`, `[` + pair + `]`, pair,
		`{"attachedDatum":[null,7,"x",[1],{},` + pair + `,{"attachedDataValue":1}],"other":[{}]}`,
	} {
		if got := read[InteractionQueued](t, `{"Interaction":{"attachedData":`+json+`}}`); !slices.Equal(got.AttachedData, want) {
			t.Errorf("%s: %q", json, got.AttachedData)
		}
	}
	for _, json := range []string{`""`, `null`, `{}`, `[]`, `{"attachedDatum":""}`, `{"attachedDatum":[]}`, `{"attachedDatum":null}`, `7`, `"text"`} {
		if got := read[InteractionQueued](t, `{"Interaction":{"attachedData":`+json+`,"queueId":1}}`); len(got.AttachedData) > 0 || got.QueueID != "1" {
			t.Errorf("%s: %q", json, got.AttachedData)
		}
	}
}

// que is tenant~~queue~~media~~number on one page and
// tenant~~number~~media~~GUID on another; queueId goes before both.
func TestContradictionOfQueue(t *testing.T) {
	for que, want := range map[Text]Number{
		"acme~~queue~~phone~~591": "591", "acme~~1162~~phone~~b1e3e2f2-b01a": "1162", "42~~queue~~phone~~591": "591", "591": "591",
		"acme~~queue~~phone~~x9": "", "": "", "~~": "", "acme~~~~phone~~": "", "acme~~1162~~phone~~591": "1162",
	} {
		if got := QueueNumber(que); got != want {
			t.Errorf("%q: %q, want %q", que, got, want)
		}
	}
	data := `"attachedData":{"attachedDatum":{"attachedDataKey":"que","attachedDataValue":"acme~~queue~~phone~~591"}}`
	if got := read[InteractionQueued](t, `{"Interaction":{`+data+`}}`); got.Queue() != "591" || got.QueueID != "" {
		t.Errorf("%q", got.Queue())
	}
	if got := read[InteractionQueued](t, `{"Interaction":{"queueId":1162,`+data+`}}`); got.Queue() != "1162" {
		t.Errorf("%q", got.Queue())
	}
}

// participatingAgents is split by commas on one page and by semicolons on
// another.
func TestContradictionOfParticipants(t *testing.T) {
	for list, want := range map[AgentList][]string{
		"agA,agB": {"agA", "agB"}, "agA;agB": {"agA", "agB"}, " agA ; agB,, agC ,": {"agA", "agB", "agC"}, "agA": {"agA"}, "": nil, " ,; ": nil,
	} {
		if got := list.IDs(); !slices.Equal(got, want) {
			t.Errorf("%q: %q", list, got)
		}
	}
	got := read[InteractionParticipantChange](t, sample(t, TypeInteractionParticipantChange))
	if ids := got.ParticipatingAgents.IDs(); !slices.Equal(ids, []string{agent, "agBbcDef123"}) {
		t.Errorf("%q", ids)
	}
}

// recordingMode is 0, 1 or 2 on one page, yes or no on another.
func TestContradictionOfRecordingMode(t *testing.T) {
	for json, want := range map[string][3]bool{ // on, known, monitor
		`"yes"`: {true, true, false}, `1`: {true, true, false}, `"1"`: {true, true, false},
		`"no"`: {false, true, false}, `0`: {false, true, false}, `2`: {true, true, true}, `"2"`: {true, true, true},
		`"later"`: {}, `""`: {}, `3`: {},
	} {
		got := read[RecordingStatus](t, `{"Interaction":{"recordingMode":`+json+`}}`).RecordingMode
		on, ok := got.Recording()
		if ([3]bool{on, ok, got.Monitor()}) != want {
			t.Errorf("%s: %v, %v, %v", json, on, ok, got.Monitor())
		}
	}
}

// resourceType 3 is SMS and 4 video in one table; in another their mediaType is
// chat and phone.
func TestContradictionOfResourceType(t *testing.T) {
	got := read[InteractionCreated](t, `{"Interaction":{"resourceType":3,"mediaType":"chat"}}`)
	if got.ResourceType != ResourceSMS || got.MediaType != MediaChat {
		t.Errorf("%+v", got)
	}
	got = read[InteractionCreated](t, `{"Interaction":{"resourceType":"4"}}`)
	if got.ResourceType != ResourceVideo || got.MediaType != "" {
		t.Errorf("%+v: one must not be derived from the other", got)
	}
}

// The pages disagree on the call state of five types, and on the order of
// events: every type decodes in every state.
func TestContradictionOfCallStates(t *testing.T) {
	for _, state := range []CallState{CallIdle, CallQueued, CallInProgress, CallConnected, CallHold, CallDisconnected, "CS_NEW", ""} {
		body := `{"Interaction":{"callState":"` + string(state) + `"}}`
		for name, got := range map[string]CallState{
			TypeInteractionCreated:           read[InteractionCreated](t, body).CallState,
			TypeInteractionAssigned:          read[InteractionAssigned](t, body).CallState,
			TypeInteractionUnqueued:          read[InteractionUnqueued](t, body).CallState,
			TypeInteractionParticipantChange: read[InteractionParticipantChange](t, body).CallState,
			TypeInteractionAccepted:          read[InteractionAccepted](t, body).CallState,
		} {
			if got != state {
				t.Errorf("%s: %q, want %q", name, got, state)
			}
		}
	}
}

// InteractionDeassigned is InteractionDeAssigned on an older page: the body
// decodes with either, and keeps what it said. Routing is the mapper's.
func TestContradictionOfSpelling(t *testing.T) {
	got := read[InteractionDeassigned](t, `{"Interaction":{"event":"InteractionDeAssigned","agentId":"agA"}}`)
	if got.AgentID != "agA" || got.Event != "InteractionDeAssigned" {
		t.Errorf("%+v", got)
	}
}

// dispositionCode is a number on one page and a word on another.
func TestContradictionOfDisposition(t *testing.T) {
	for json, want := range map[string]Text{`1000`: "1000", `"SALE"`: "SALE", `"0123"`: "0123", `true`: "true", `null`: ""} {
		if got := read[InteractionDeleted](t, `{"Interaction":{"dispositionCode":`+json+`}}`).DispositionCode; got != want {
			t.Errorf("%s: %q", json, got)
		}
		if got := read[InteractionEndPostProcess](t, `{"Interaction":{"dispositionCode":`+json+`}}`).DispositionCode; got != want {
			t.Errorf("%s: %q", json, got)
		}
	}
}
