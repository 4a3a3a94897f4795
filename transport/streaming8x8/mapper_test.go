package streaming8x8

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/vcc"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

var published = time.Date(2025, 10, 15, 9, 30, 0, 0, time.UTC)

// mapped is the event of a payload, as pulsarws asks a mapper for it.
func mapped(mapper pulsarws.Mapper, payload string) (eds.Event, error) {
	m := &pulsarws.Message{ID: "CAEQAQ==", Payload: []byte(payload), PublishTime: published}
	e := eds.Event{ID: m.ID, Source: "pulsar://host/acme/event-v1/all", Queue: "acme/event-v1/all", Time: published, Payload: m.Payload, Attempt: 1}
	err := mapper(m, &e)
	return e, err
}

func mustMap(t *testing.T, payload string) eds.Event {
	t.Helper()
	e, err := mapped(Map, payload)
	if err != nil {
		t.Fatalf("%v\n%s", err, payload)
	}
	return e
}

func TestEverySampleGetsItsType(t *testing.T) {
	const dir = "../../handlers/eightbyeight/testdata/"
	for _, name := range vcc.Types() {
		payload, err := os.ReadFile(filepath.Join(dir, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		e := mustMap(t, string(payload))
		if e.Type != name || e.ID != "CAEQAQ==" || string(e.Payload) != string(payload) {
			t.Errorf("%s: type %q, id %q", name, e.Type, e.ID)
		}
		if strings.HasPrefix(name, "Agent") == (e.Attributes[AttrInteraction] != "") {
			t.Errorf("%s: %q", name, e.Attributes)
		}
		if OrderKey(&e) == "" {
			t.Errorf("%s has nothing to order by", name)
		}
	}
}

func TestType(t *testing.T) {
	for payload, want := range map[string]string{
		`{"Interaction":{"event":"InteractionCreated"}}`:                                        "InteractionCreated",
		`{"Interaction":{"event":"Brand.New/1"}}`:                                               "Brand.New/1",
		`{"Interaction":{}}`:                                                                    "Interaction",
		`{"Interaction":{"event":""}}`:                                                          "Interaction",
		`{"Interaction":{"event":null}}`:                                                        "Interaction",
		`{"Interaction":{"event":{"a":1}}}`:                                                     "Interaction",
		`{"Interaction":{"event":42}}`:                                                          "42",
		`{"Interaction":{"ev\u0065nt":"Interaction\u0043reated"}}`:                              "InteractionCreated",
		`{"AgentStatusChange":{"agentId":"agA"}}`:                                               "AgentStatusChange",
		`{"AgentStatusChange":""}`:                                                              "AgentStatusChange",
		`{"agentstatuschange":{}}`:                                                              "AgentStatusChange",
		`{"AgentProvChange":{"event":"AgentSkillChanged"}}`:                                     "AgentSkillChanged",
		`{"AgentProvChange":{}}`:                                                                "AgentProvChange",
		`{"FutureThing":{"a":{"event":"no"}}}`:                                                  "FutureThing",
		`{"FutureThing":{"event":"FutureEvent"}}`:                                               "FutureEvent",
		`{"version":1,"Interaction":{"event":"InteractionJoined"}}`:                             "InteractionJoined",
		`{"Interaction":{"event":"InteractionJoined"},"event":"other"}`:                         "InteractionJoined",
		`{"eventId":"1","eventType":"agent.login","data":{"event":"no"}}`:                       "agent.login",
		`{"data":{"event":"no"},"eventType":"agent.login"}`:                                     "agent.login",
		`{"event":"InteractionQueued","eventType":"no"}`:                                        "InteractionQueued",
		`{"msgInfo":{"timestamp":1},"event":"InteractionQueued"}`:                               "InteractionQueued",
		`{"Interaction":{"event":"InteractionCreated","event":"InteractionQueued"}}`:            "InteractionQueued",
		`{"Interaction":{"event":"InteractionCreated"},"Interaction":{"event":"GuestChatEnd"}}`: "GuestChatEnd",
		"{\"Interaction\":{\"event\":\"a\xffb\"}}":                                              "a\uFFFDb",
		` { "Interaction" : { "event" : "InteractionCreated" , "x" : [ { } ] } } `:              "InteractionCreated",
	} {
		if e := mustMap(t, payload); e.Type != want {
			t.Errorf("%s: %q, want %q", payload, e.Type, want)
		}
	}
}

// Some pages write InteractionDeAssigned.
func TestTypeIsSpelledAsInTheCatalogue(t *testing.T) {
	for _, want := range vcc.Types() {
		for _, name := range []string{strings.ToLower(want), strings.ToUpper(want)} {
			if e := mustMap(t, `{"Interaction":{"event":"`+name+`"}}`); e.Type != want {
				t.Errorf("%s: %q", name, e.Type)
			}
		}
	}
	if e := mustMap(t, `{"Interaction":{"event":"InteractionDeAssigned"}}`); e.Type != "InteractionDeassigned" {
		t.Errorf("%q", e.Type)
	}
}

func TestUnreadable(t *testing.T) {
	for payload, want := range map[string]error{
		``: errNoObject, `null`: errNoObject, `[]`: errNoObject, `"secret"`: errNoObject, `7`: errNoObject, `{`: errNoObject,
		`{"Interaction":{"event":"secret"}`: errNoObject, `{"event":"secret"} {}`: errNoObject, `{"event":"secret"}x`: errNoObject, `{"event" "secret"}`: errNoObject,
		`{"a":01}`: errNoObject, "\xff": errNoObject, `{"Interaction":` + strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000) + `}`: errNoObject,
		`{}`: errNoType, `{"a":1}`: errNoType, `{"event":{},"a":1}`: errNoType, `{"eventType":""}`: errNoType, `{"first":{"event":"x"},"second":{}}`: errNoType,
	} {
		e, err := mapped(Map, payload)
		if err != want || e.ID != "CAEQAQ==" || e.Type != "" {
			t.Errorf("%.60s: %v, id %q, type %q", payload, err, e.ID, e.Type)
		}
	}
}

func TestID(t *testing.T) {
	for payload, want := range map[string]string{
		`{"eventId":"evt_1","eventType":"agent.login"}`:                           "evt_1",
		`{"eventId":1234567890123456789012,"eventType":"agent.login"}`:            "1234567890123456789012",
		`{"eventId":"","eventType":"agent.login"}`:                                "CAEQAQ==",
		`{"eventId":{},"eventType":"agent.login"}`:                                "CAEQAQ==",
		`{"eventId":"` + strings.Repeat("x", 257) + `","eventType":"a"}`:          "CAEQAQ==",
		"{\"eventId\":\"\xff\",\"eventType\":\"a\"}":                              "CAEQAQ==",
		`{"eventType":"agent.login","data":{"eventId":"inner"}}`:                  "CAEQAQ==",
		`{"Interaction":{"event":"InteractionCreated","eventId":"of the field"}}`: "CAEQAQ==",
	} {
		if e := mustMap(t, payload); e.ID != want {
			t.Errorf("%s: %q, want %q", payload, e.ID, want)
		}
	}
}

func TestCrossTopicID(t *testing.T) {
	mapper := NewMapper(nil, CrossTopicID())
	full := `{"Interaction":{"event":"InteractionCreated","msgInfo":{"instanceId":"sapi01/x","sequenceId":225,"timestamp":1744819217183}}}`
	quoted := strings.NewReplacer("225", `"225"`, "1744819217183", `"1744819217183"`).Replace(full)
	for _, payload := range []string{full, quoted} {
		e, err := mapped(mapper, payload)
		if err != nil || e.ID != "1744819217183-225-InteractionCreated" || e.Source != "8x8:sapi01%2Fx" || e.Queue != "InteractionCreated" {
			t.Errorf("%v: %q, %q, %q", err, e.ID, e.Source, e.Queue)
		}
	}
	for _, payload := range []string{
		`{"Interaction":{"event":"InteractionCreated","msgInfo":{}}}`,
		strings.Replace(full, `"sapi01/x"`, `""`, 1), strings.Replace(full, "225", `"x"`, 1), strings.Replace(full, "1744819217183", "0", 1),
		strings.Replace(full, `"sequenceId":225,`, "", 1),
	} {
		if e, err := mapped(mapper, payload); err != nil || e.ID != "CAEQAQ==" || e.Queue != "acme/event-v1/all" || !strings.HasPrefix(e.Source, "pulsar:") {
			t.Errorf("%s: %v: %q, %q, %q", payload, err, e.ID, e.Source, e.Queue)
		}
	}
	if e, err := mapped(Map, full); err != nil || e.ID != "CAEQAQ==" {
		t.Errorf("without the option: %q, %v", e.ID, err)
	}
}

func TestTime(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for fields, want := range map[string]time.Time{
		`"interactionEventTS":1744819274,"statusEventTS":3,"eventTS":1,"msgInfo":{"timestamp":1744819217183}`: at("2025-04-16T16:01:14Z"),
		`"interactionEventTS":"1744819274","eventTS":1`:                                                       at("2025-04-16T16:01:14Z"),
		`"interactionEventTS":0,"statusEventTS":1744819144,"msgInfo":{"timestamp":1744819217183}`:             at("2025-04-16T15:59:04Z"),
		`"interactionEventTS":"N/A","eventTS":1,"msgInfo":{"timestamp":1744819217183}`:                        at("2025-04-16T16:00:17.183Z"),
		`"msgInfo":{"timestamp":"1744819217183"},"eventTS":1744819217`:                                        at("2025-04-16T16:00:17.183Z"),
		`"msgInfo":{"timestamp":0},"eventTS":1744819217,"queueTime":1744819217`:                               published,
		`"msgInfo":{},"eventTS":1744819217`:                                                                   published,
		`"msgInfo":"","eventTS":1744819217`:                                                                   published,
		`"interactionEventTS":1744819217183`:                                                                  published, // milliseconds, where seconds belong
		`"interactionEventTS":99999999999999999999999999`:                                                     published,
		`"interactionEventTS":1e308,"msgInfo":{"timestamp":-5}`:                                               published,
		`"attachedData":{"timestamp":1,"interactionEventTS":5},"eventTS":1`:                                   published,
	} {
		for _, payload := range []string{`{"Interaction":{"event":"GuestChatEnd",` + fields + `}}`, `{"event":"GuestChatEnd",` + fields + `}`, `{` + fields + `,"event":"GuestChatEnd"}`} {
			if e := mustMap(t, payload); !e.Time.Equal(want) {
				t.Errorf("%s: %v, want %v", payload, e.Time, want)
			}
		}
	}
	for stamp, want := range map[string]time.Time{
		`"2025-10-15T09:30:01.5+02:00"`: at("2025-10-15T07:30:01.5Z"), `"yesterday"`: published, `17`: published, `{}`: published,
	} {
		if e := mustMap(t, `{"eventType":"agent.login","timestamp":`+stamp+`}`); !e.Time.Equal(want) {
			t.Errorf("%s: %v, want %v", stamp, e.Time, want)
		}
	}
}

func TestAttributes(t *testing.T) {
	for payload, want := range map[string]map[string]string{
		`{"Interaction":{"event":"e","interactionGUID":"int-1","agentId":"agA","queueId":1162,"callState":"CS_HOLD","mediaType":"phone","direction":"in","tenantId":"acme"}}`: {
			AttrFamily: "Interaction", AttrInteraction: "int-1", AttrAgent: "agA", AttrQueue: "1162", AttrCallState: "CS_HOLD", AttrMediaType: "phone", AttrDirection: "in", AttrTenant: "acme"},
		`{"eventType":"agent.login","tenantId":"acme","data":{"agentId":12345}}`: {AttrTenant: "acme", AttrAgent: "12345"},
		`{"data":{"agentId":"no"},"agentId":"agA","eventType":"agent.login"}`:    {AttrAgent: "agA"},
		`{"Interaction":{"event":"e","agentId":"a\u0062\"","direction":"","queueId":null,"mediaType":[],"callState":"` + strings.Repeat("x", 257) + `"}}`: {
			AttrFamily: "Interaction", AttrAgent: `ab"`},
		"{\"Interaction\":{\"agentId\":\"a\xff\"}}":                     {AttrFamily: "Interaction", AttrAgent: "a\uFFFD"},
		`{"Interaction":{"agentId":"agA"},"Interaction":{"event":"e"}}`: {AttrFamily: "Interaction"},
		`{"event":"e"}`: nil,
	} {
		if e := mustMap(t, payload); !maps.Equal(e.Attributes, want) {
			t.Errorf("%s: %q", payload, e.Attributes)
		}
	}
	m := &pulsarws.Message{Payload: []byte(`{"Interaction":{"agentId":"agA"}}`)}
	e := eds.Event{Attributes: map[string]string{"traceparent": "00-1", AttrAgent: "forged"}}
	if err := Map(m, &e); err != nil || e.Attributes["traceparent"] != "00-1" || e.Attributes[AttrAgent] != "agA" {
		t.Errorf("%v: %q", err, e.Attributes)
	}
}

func TestOrderKey(t *testing.T) {
	for payload, want := range map[string]string{
		`{"Interaction":{"interactionGUID":"int-1","agentId":"agA"}}`: "int-1",
		`{"AgentStatusChange":{"agentId":"agA"}}`:                     "agA",
		`{"event":"e"}`: "",
	} {
		if e := mustMap(t, payload); OrderKey(&e) != want {
			t.Errorf("%s: %q", payload, OrderKey(&e))
		}
	}
}

// What an event holds must not lie in memory that the next message overwrites.
func TestEventsOutliveTheScanner(t *testing.T) {
	var wg sync.WaitGroup
	for _, id := range []string{"agA", "agB", "agC", "agD"} {
		wg.Go(func() {
			var before eds.Event
			for range 200 {
				e := mustMap(t, `{"Interaction":{"event":"Unheard-`+id+`","agentId":"`+id+`","msgInfo":{"timestamp":1744819217183}}}`)
				for _, e := range []eds.Event{before, e} {
					if e.Type != "" && (e.Type != "Unheard-"+id || e.Attributes[AttrAgent] != id) {
						t.Errorf("%s: %q, %q", id, e.Type, e.Attributes)
						return
					}
				}
				before = e
			}
		})
	}
	wg.Wait()
}

// The budget: one allocation for all texts, and those of the map.
func TestAllocations(t *testing.T) {
	m := &pulsarws.Message{ID: "CAEQAQ==", Payload: []byte(queued), PublishTime: published}
	got := testing.AllocsPerRun(500, func() {
		e := eds.Event{ID: m.ID}
		if err := Map(m, &e); err != nil {
			t.Fatal(err)
		}
	})
	if got > 6 {
		t.Errorf("%v allocations", got)
	}
}

// FuzzMap holds that any JSON object is an event or lacks a type, and all else
// is refused; encoding/json says what is JSON.
func FuzzMap(f *testing.F) {
	for _, s := range []string{
		queued, `{}`, `[]`, ``, `null`, `{"Interaction":{"event":"InteractionDeAssigned"}}`, `{"data":{"agentId":1},"eventType":"agent.login","eventId":2}`,
		`{"event":"a","event":"b"}`, `{"Interaction":{"event":"\ud800"}}`, `{"Interaction":{"interactionEventTS":1e999,"msgInfo":{"timestamp":-1}}}`,
		`{"msgInfo":{"instanceId":"a","sequenceId":1,"timestamp":2}}`, "{\"Interaction\":{\"agentId\":\"\xff\"}}", `{"Interaction":""}`, `{"a":{}}x`,
		strings.Repeat(`{"Interaction":`, 300) + `1` + strings.Repeat(`}`, 300), `{"event":"a"`, ` {"event" : "\u0000"} `,
	} {
		f.Add([]byte(s))
	}
	crossTopic := NewMapper(CrossTopicID())
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, err := mapped(Map, string(payload))
		var members map[string]json.RawMessage
		isObject := json.Unmarshal(payload, &members) == nil && members != nil
		switch {
		case isObject && err == errNoObject, !isObject && err != errNoObject:
			t.Fatalf("object %v: %v", isObject, err)
		case err == nil && (e.Type == "" || e.ID == ""):
			t.Fatalf("%+v", e)
		case e.Time.IsZero() || e.Time.Unix() <= 0 && e.Time.Year() > 1960 && e.Time.Year() < 1970 || e.Time.Year() > 9999:
			t.Fatal(e.Time)
		}
		if _, again := mapped(crossTopic, string(payload)); again != err {
			t.Fatal(err, again)
		}
	})
}
