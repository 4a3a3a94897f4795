package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The processes that measure starts are this binary.
	if isChild, err := child(); isChild {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// Every variant gets through, and each kind of load does, with each event
// acknowledged once: the server fails the measurement otherwise. Nothing is timed.
func TestEveryVariantAcknowledgesEachEventOnce(t *testing.T) {
	server, err := startRedis(t.Context(), "")
	switch {
	case errors.Is(err, exec.ErrNotFound):
		t.Log("no redis-server: the variants with Redis are left out")
	case err != nil:
		t.Fatal(err)
	default:
		defer server.stop()
	}
	few := Length{Events: 200}
	all := slices.DeleteFunc(variants(), func(v string) bool { return wrong[v] })
	some := []string{"raw", "hand", "full-on"} // each takes two processes
	overPulsar := []string{"raw", "floor", "hand", "hand-full", "full", "full-unmetered", "full-on"}
	loads := map[string]Spec{
		"window 1":              {Size: 400, Window: 1},
		"window 256":            {Size: 4096, Window: 256},
		"fixed rate":            {Size: 400, Rate: 5000},
		"no replies":            {Size: 400, Window: 16, NoReply: true},
		"one write each":        {Size: 400, Window: 16, WriteEach: true},
		"a handler that sleeps": {Size: 400, Window: 16, Work: time.Microsecond},
		"Pulsar, window 1":      {Protocol: "pulsar", Size: 400, Window: 1},
		"Pulsar, window 256":    {Protocol: "pulsar", Size: 4096, Window: 256},
	}
	for name, load := range loads {
		t.Run(name, func(t *testing.T) {
			chosen := some
			switch name {
			case "window 256":
				chosen = all
			case "Pulsar, window 256":
				chosen = overPulsar
			}
			for _, variant := range chosen {
				load.Variant, load.Warmup, load.Measure = variant, Length{Events: 100}, few
				if strings.Contains(variant, "redis") || strings.Contains(variant, "relay") {
					if server == nil {
						continue
					}
					load.Redis = server.addr
				}
				sample, err := measure(t.Context(), load)
				if err != nil {
					t.Error(err)
				}
				if err == nil && (sample.Rate <= 0 || sample.CPU <= 0 || sample.P99 < sample.P50) {
					t.Errorf("%s: sample %+v", variant, sample)
				}
			}
		})
	}
}

// A client that acknowledges twice, or what it was not sent, or without doing
// the work, must not get a figure.
func TestWrongClientsAreNotMeasured(t *testing.T) {
	for variant, want := range map[string]string{
		"twice": "acknowledged twice", "invented": "never sent", "idle": "the handler saw 0", "absent": "unknown variant",
	} {
		for name := range protocols {
			spec := Spec{Protocol: name, Variant: variant, Size: 400, Window: 4, Warmup: Length{Events: 100}, Measure: Length{Events: 100}}
			_, err := measure(t.Context(), spec)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %s: got %v, want an error with %q", name, variant, err, want)
			}
		}
	}
}

func TestEventHasItsSizeAndItsNumbers(t *testing.T) {
	for _, size := range []int{400, 401, 407, 1000, 4096, 4097, 65000} {
		text, err := newEvent(size, 0xabc)
		if err != nil || len(text) != size {
			t.Fatalf("size %d: %d bytes, %v", size, len(text), err)
		}
		setNumber(text[receiptOffset:], 0x1234)
		if n, ok := number(text[receiptOffset:][:idLength]); n != 0x1234 || !ok {
			t.Errorf("size %d: number %#x, %v", size, n, ok)
		}
	}
	if _, err := newEvent(100, 0); err == nil {
		t.Error("an event of 100 bytes has no room for its envelope")
	}
}

func TestPulsarMessageHasItsPayloadAndItsNumbers(t *testing.T) {
	for _, size := range []int{400, 4096, 40000} {
		text, err := newPulsarMessage(size, 0)
		if err != nil {
			t.Fatal(err)
		}
		pulsar.stamp(text, 0x1234567)
		var m pulsarMessage
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		payload, err := base64.StdEncoding.DecodeString(m.Payload)
		if err != nil || len(payload) != size || m.Properties["type"] != eventType {
			t.Errorf("size %d: %d bytes, %v, %v", size, len(payload), m.Properties, err)
		}
		if n, ok := entry([]byte(m.MessageID)); n != 0x1234567 || !ok {
			t.Errorf("size %d: number %#x, %v", size, n, ok)
		}
		if at := string(text[pulsar.receiptOffset:][:pulsar.receiptLength]); at != m.MessageID {
			t.Errorf("size %d: %q stands where %q should", size, at, m.MessageID)
		}
	}
	id := []byte("CLmLpAEQgICAgAEYACAAMAE=")
	if n, ok := entry(id); n != 0 || !ok {
		t.Errorf("the first entry is %d, %v", n, ok)
	}
	for i := range id { // another spelling is another id
		wrong := slices.Clone(id)
		wrong[i] ^= 1
		if n, ok := entry(wrong); ok && n == 0 {
			t.Errorf("%q passes for %q", wrong, id)
		}
	}
	if _, err := newPulsarMessage(60000, 0); err == nil {
		t.Error("a payload of 60000 bytes makes no frame of 65535")
	}
}
