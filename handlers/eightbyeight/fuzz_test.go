package eightbyeight

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers"
)

// FuzzDecode holds that every JSON object decodes, whatever its values, and
// that unwrap finds what encoding/json finds.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{
		`{}`, `[]`, `null`, `"x"`, `{"Interaction":""}`, `{"a":1,"Interaction":{"event":"x"}}`, `{"data":{"agentId":1},"eventId":2}`, `{"data":{}}`,
		`{"Interaction":{"attachedData":{"attachedDatum":[[{}],{"attachedDataKey":{}},null,"",{"attachedDataKey":"k","attachedDataValue":[1,{"a":2}]}]}}}`,
		`{"Interaction":{"attachedData":{"attachedDataKey":"k","attachedDataValue":1e999}}}`, `{"a":"\"}{\\","Interaction":{"status":-0.0e-1}}`,
		`{"Interaction":` + strings.Repeat(`{"msgInfo":`, 200) + `{}` + strings.Repeat(`}`, 200) + `}`, "{\"\xff\":1}", `{"event":"a","event":"b"}`, `{"AgentProvChange":{"msgInfo":[]}}x`,
	} {
		f.Add([]byte(s))
	}
	var deleted *InteractionDeleted
	typed := handlers.Typed(func(_ context.Context, e *InteractionDeleted) error { deleted = e; return nil })
	byStatus := handlers.Typed(func(context.Context, AgentStatusChange) error { return nil })
	f.Fuzz(func(t *testing.T, payload []byte) {
		event := &eds.Event{Payload: payload}
		trimmed := bytes.TrimLeft(payload, " \t\r\n")
		isObject := len(trimmed) > 0 && trimmed[0] == '{'
		wanted := jsontext.Value(payload).IsValid() && isObject // not so when a name occurs twice
		deleted = nil
		err := typed(t.Context(), event)
		if other := byStatus(t.Context(), event); wanted && (err != nil || other != nil) {
			t.Fatalf("%v, %v", err, other)
		}
		if !wanted {
			if err != nil && !eds.IsPermanent(err) {
				t.Fatal(err)
			}
			if _, ok := errors.AsType[*handlers.DecodeError](err); err != nil && !ok {
				t.Fatal(err)
			}
			return
		}
		deleted.Time()
		deleted.Queue()
		deleted.ParticipatingAgents.IDs()
		deleted.AttachedData.TransactionCodes()

		var members map[string]json.RawMessage
		if err := json.Unmarshal(payload, &members); err != nil {
			t.Fatal(err)
		}
		fields, data := unwrap(trimmed)
		if !json.Valid(fields) || data != nil && !json.Valid(data) {
			t.Fatalf("%s, %s", fields, data)
		}
		for name, value := range members {
			if len(members) == 1 && value[0] == '{' && !bytes.Equal(fields, value) {
				t.Fatalf("%s: %s", name, fields)
			}
			if len(members) > 1 && name == "data" && value[0] == '{' && data != nil && !bytes.Equal(data, value) {
				t.Fatalf("data: %s", data)
			}
		}
	})
}

func TestWhatIsNoBody(t *testing.T) {
	h := handlers.Typed(func(context.Context, *InteractionCreated) error { return nil })
	for _, payload := range []string{`[]`, `"secret"`, `7`, `{`, `{"Interaction":{}`, `{"Interaction":{}} x`, "{\"a\":\"\xff\"}", `{"event":"secret","event":"b"}`} {
		err := h(t.Context(), &eds.Event{Payload: []byte(payload)})
		if _, ok := errors.AsType[*handlers.DecodeError](err); !ok || !eds.IsPermanent(err) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", payload, err)
		}
	}
}
