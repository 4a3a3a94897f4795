package redisstream_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

func TestEntryHoldsTheEvent(t *testing.T) {
	at := time.Date(2026, 3, 20, 14, 30, 0, 123456789, time.FixedZone("", 3600))
	for name, e := range map[string]eds.Event{
		"full": {
			ID: "1", Type: "T", Source: "eds://h/q", Queue: "q", Time: at, Payload: []byte(`{"a":1}`),
			Attributes: map[string]string{"traceparent": "00-1-2-01", "odd name": "\xff", "empty": ""},
		},
		"bare":            {ID: "1", Type: "T"},
		"named as fields": {ID: "1", Type: "T", Source: "s", Payload: []byte(`1`), Attributes: map[string]string{"id": "x", "payload": "y", "attr.z": "z"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := redisstream.Decode("orders", "1-0", redisstream.Fields(&e, "k"))
			if err != nil {
				t.Fatal(err)
			}
			want := e
			want.Queue = "stream:orders"
			want.Attributes = map[string]string{"partitionkey": "k"}
			maps.Copy(want.Attributes, e.Attributes)
			if e.Queue != "" {
				want.Attributes[redisstream.AttrQueue] = e.Queue
			}
			if e.Source == "" {
				want.Source = "redis-stream:orders"
			}
			if !got.Time.Equal(want.Time) {
				t.Errorf("time %v, want %v", got.Time, want.Time)
			}
			got.Time = want.Time
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if redisstream.Key(&got) != "k" {
				t.Errorf("key %q", redisstream.Key(&got))
			}
		})
	}
}

// The queue is that of the event's origin, through any number of streams.
func TestOriginQueueStays(t *testing.T) {
	e := event("1")
	for _, s := range []string{"a", "b", "c"} {
		got, err := redisstream.Decode(s, "1-0", redisstream.Fields(e, ""))
		if err != nil || got.Queue != "stream:"+s || got.Attributes[redisstream.AttrQueue] != "q" {
			t.Fatalf("%+v, %v", got, err)
		}
		e = &got
	}
}

func TestUnreadableEntry(t *testing.T) {
	faults.Covers(t, "F8")
	for name, fields := range map[string]map[string]any{
		"no field":   {},
		"foreign":    {"foo": "bar"},
		"no id":      {"type": "T", "payload": "{}"},
		"empty id":   {"id": "", "type": "T", "payload": "{}"},
		"no type":    {"id": "1", "payload": "{}"},
		"no payload": {"id": "1", "type": "T"},
		"no strings": {"id": 1, "type": nil, "payload": 2.5},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := redisstream.Decode("orders", "7-0", fields)
			if err == nil || !strings.Contains(err.Error(), "entry 7-0") {
				t.Errorf("error %v, want one that names the entry", err)
			}
			var whole map[string]any
			if err := json.Unmarshal(e.Payload, &whole); err != nil || len(whole) != len(fields) {
				t.Errorf("payload %s, want the whole entry", e.Payload)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("id\x001\x00type\x00T\x00payload\x00{}")
	f.Add("id\x001\x00time\x002026-03-20T14:30:00Z\x00attr.traceparent\x00x\x00key\x00k\x00queue\x00q")
	f.Add("foo\x00\xff")
	f.Fuzz(func(t *testing.T, text string) {
		parts := strings.Split(text, "\x00")
		fields := map[string]any{}
		for i := 0; i+1 < len(parts); i += 2 {
			fields[parts[i]] = parts[i+1]
		}
		e, err := redisstream.Decode("s", "1-0", fields)
		if err != nil {
			if !json.Valid(e.Payload) {
				t.Errorf("payload of an unreadable entry: %q", e.Payload)
			}
			return
		}
		if e.ID == "" || e.Type == "" || e.Source == "" {
			t.Errorf("read as %+v", e)
		}
		again, err := redisstream.Decode("s", "1-0", redisstream.Fields(&e, redisstream.Key(&e)))
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		// The queue and the key are attributes of the reader's making; an
		// attribute of the same name gives way to them.
		if fields["queue"] == nil || fields["queue"] == "" {
			delete(e.Attributes, redisstream.AttrQueue)
			delete(again.Attributes, redisstream.AttrQueue)
		}
		if len(e.Attributes) == 0 {
			e.Attributes = nil
		}
		if len(again.Attributes) == 0 {
			again.Attributes = nil
		}
		if !e.Time.Equal(again.Time) {
			t.Errorf("time %v, then %v", e.Time, again.Time)
		}
		again.Time = e.Time
		if !reflect.DeepEqual(e, again) {
			t.Errorf("first %+v\nagain %+v", e, again)
		}
	})
}

func TestNames(t *testing.T) {
	for name, want := range map[string][2]string{
		"orders":      {"{orders:3}", "{orders:3}:g:reader"},
		"{a}:orders":  {"{a}:orders:3", "{a}:orders:3:g:reader"},
		"odd{}orders": {"{odd{}orders:3}", "{odd{}orders:3}:g:reader"},
	} {
		stream := redisstream.PartitionName(name, 3)
		if beside := redisstream.Besides(stream, "g", "reader"); stream != want[0] || beside != want[1] {
			t.Errorf("%s: %s and %s, want %s", name, stream, beside, want)
		}
	}
	// It must never change, or the order of keys breaks when publishers of two
	// versions run side by side.
	for key, want := range map[string]int{"": 5, "a": 4, "tenant-42": 2} {
		if got := redisstream.PartitionOf(key, 8); got != want {
			t.Errorf("partition of %q is %d, want %d", key, got, want)
		}
	}
}
