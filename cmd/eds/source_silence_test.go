package main

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// Only a connected topic of 8x8's that brought nothing is told of, once.
func TestSilence(t *testing.T) {
	at := time.Now()
	for _, tc := range []struct {
		name   string
		flags  sourceFlags
		status eds.Status
		want   int
	}{
		{"silent", sourceFlags{URL: "wss://pulsar-ws-use1.8x8.com", pulsarFlags: pulsarFlags{Topic: "all"}}, eds.Status{State: eds.Connected}, 1},
		{"with events", sourceFlags{URL: "wss://pulsar-ws-use1.8x8.com", pulsarFlags: pulsarFlags{Topic: "all"}}, eds.Status{State: eds.Connected, LastEvent: at}, 0},
		{"not connected", sourceFlags{URL: "wss://pulsar-ws-use1.8x8.com", pulsarFlags: pulsarFlags{Topic: "all"}}, eds.Status{State: eds.Connecting}, 0},
		{"another service", sourceFlags{URL: "wss://pulsar.example", pulsarFlags: pulsarFlags{Topic: "a/b/c"}}, eds.Status{State: eds.Connected}, 0},
		{"a queue", sourceFlags{URL: "wss://pulsar-ws-use1.8x8.com", Queue: []string{"q"}}, eds.Status{State: eds.Connected}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out strings.Builder
			stop := tc.flags.watchSilence(slog.New(slog.NewTextHandler(&out, nil)), func() eds.Health { return eds.Health{Transport: tc.status} })
			time.Sleep(3 * silence) // fake time: synctest
			synctest.Wait()
			if got := strings.Count(out.String(), "another region"); got != tc.want {
				t.Errorf("%s: %d: %s", tc.name, got, out.String())
			}
			stop()
		})
	}
}
