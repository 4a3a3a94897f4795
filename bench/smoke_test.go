package main

import (
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
	server, err := startRedis(t.Context())
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
	loads := map[string]Spec{
		"window 1":              {Size: 400, Window: 1},
		"window 256":            {Size: 4096, Window: 256},
		"fixed rate":            {Size: 400, Rate: 5000},
		"no replies":            {Size: 400, Window: 16, NoReply: true},
		"one write each":        {Size: 400, Window: 16, WriteEach: true},
		"a handler that sleeps": {Size: 400, Window: 16, Work: time.Microsecond},
	}
	for name, load := range loads {
		t.Run(name, func(t *testing.T) {
			chosen := some
			if name == "window 256" {
				chosen = all
			}
			for _, variant := range chosen {
				load.Variant, load.Warmup, load.Measure = variant, Length{Events: 100}, few
				if strings.Contains(variant, "redis") {
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
		spec := Spec{Variant: variant, Size: 400, Window: 4, Warmup: Length{Events: 100}, Measure: Length{Events: 100}}
		_, err := measure(t.Context(), spec)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", variant, err, want)
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
