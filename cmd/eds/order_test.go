package main

import (
	"encoding/json"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
)

func TestOrderBy(t *testing.T) {
	e := &eds.Event{
		ID: "1", Type: "T", Source: "S", Queue: "Q", Attributes: map[string]string{"partitionkey": "K"},
		Payload: []byte(`{"skip":{"id":"no"},"customer":{"list":[1],"id":"c\u0031","n":12,"old":true},"nothing":null,"text":"x"}`),
	}
	for by, want := range map[orderSetting]string{
		"key": "K", "type": "T", "source": "S", "queue": "Q",
		"data.text": "x", "data.customer.id": "c1", "data.customer.n": "12", "data.customer.old": "true",
		"data.customer": "", "data.customer.list": "", "data.nothing": "", "data.none": "", "data.text.more": "", "data.id": "",
	} {
		if err := by.check(); err != nil {
			t.Error(err)
		}
		if got := by.key(e); got != want {
			t.Errorf("%s: %q, not %q", by, got, want)
		}
	}
	for _, by := range []orderSetting{"", "data", "data.", "data.a..b", "data.a.", "data..a", "id", "Type"} {
		if err := by.check(); err == nil {
			t.Errorf("%q is accepted", by)
		}
	}
}

// Events without a key wait for nobody, and no id is taken for a key.
func TestLane(t *testing.T) {
	by := lane(orderSetting("key").key)
	with := func(id, key string) string {
		return by(&eds.Event{ID: id, Attributes: map[string]string{"partitionkey": key}})
	}
	if with("1", "a") != with("2", "a") || with("1", "") == with("2", "") || with("a", "") == with("1", "a") {
		t.Error("events share a lane that must not, or do not that must")
	}
}

// What field finds is what encoding/json finds, where that reads an object.
func FuzzField(f *testing.F) {
	for _, seed := range []string{`{"a":"x"}`, `{"a":{"b":1e3}}`, `{"b":[{"a":1}],"a":{"b":"é"}}`, `{`, `[{"a":1}]`, `{"a" "b"}`, "{\"a\":\"\xff\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, nested := field(payload, []string{"a"}), field(payload, []string{"a", "b"})
		var object map[string]json.RawMessage
		if json.Unmarshal(payload, &object) != nil {
			return
		}
		var text string
		if json.Unmarshal(object["a"], &text) == nil && string(object["a"]) != "null" && got == "" && text != "" && len(object) == 1 {
			t.Errorf("%q: nothing, not %q", payload, text)
		}
		if _, has := object["a"]; !has && (got != "" || nested != "") {
			t.Errorf("%q: %q and %q from nowhere", payload, got, nested)
		}
	})
}
