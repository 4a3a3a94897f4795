package probe

import (
	"time"
	"unicode/utf8"

	"github.com/eventdelivery/eds-go/eds"
)

// Report is the body of an answer. Fields may be added; those that are here
// keep their meaning.
type Report struct {
	// OK is the answer to the question: status 200.
	OK bool `json:"ok"`
	// Apps has each App by its name.
	Apps map[string]AppReport `json:"apps"`
}

// AppReport is what an App knows of itself, after eds.Health and eds.Status,
// where the fields are explained. What never happened is left out.
type AppReport struct {
	// OK is this App's part of the answer.
	OK bool `json:"ok"`
	// State is connecting, connected, standby, closed or refused, Since when.
	State string     `json:"state"`
	Since *time.Time `json:"since,omitempty"`
	// Draining is true during a shutdown.
	Draining bool `json:"draining,omitempty"`
	// LastRead and LastEvent are when bytes and when a delivery last came.
	LastRead  *time.Time `json:"last_read,omitempty"`
	LastEvent *time.Time `json:"last_event,omitempty"`
	// Connects counts connections that were established.
	Connects uint64 `json:"connects"`
	// Running, Queued and Stuck count events, OldestUnacked is in seconds.
	Running       int     `json:"running"`
	Queued        int     `json:"queued"`
	Stuck         int     `json:"stuck"`
	OldestUnacked float64 `json:"oldest_unacked_seconds"`
	// Unconfirmed counts acknowledgements, Skipped frames.
	Unconfirmed int    `json:"unconfirmed"`
	Skipped     uint64 `json:"skipped"`
	// Gaps and JumpsBack count places in a topic.
	Gaps      uint64 `json:"gaps,omitempty"`
	JumpsBack uint64 `json:"jumps_back,omitempty"`
	// Outcomes counts deliveries by what became of them, under the names that
	// eds.Outcome has; all of them are there, from the start.
	Outcomes map[string]uint64 `json:"outcomes"`
	// Error is why the last connection ended or was refused, shortened.
	Error string `json:"error,omitempty"`
}

func report(h eds.Health) AppReport {
	t := h.Transport
	r := AppReport{
		State: t.State.String(), Since: moment(t.Since), Draining: h.Draining,
		LastRead: moment(t.LastRead), LastEvent: moment(t.LastEvent), Connects: t.Connects,
		Running: h.Running, Queued: h.Queued, Stuck: h.Stuck, OldestUnacked: h.OldestUnacked.Seconds(),
		Unconfirmed: t.Unconfirmed, Skipped: t.Skipped, Gaps: t.Gaps, JumpsBack: t.JumpsBack,
		Outcomes: make(map[string]uint64, len(h.Outcomes)),
	}
	for o, n := range h.Outcomes {
		r.Outcomes[eds.Outcome(o).String()] = n
	}
	if t.Err != nil {
		r.Error = clip(t.Err.Error())
	}
	return r
}

// moment returns nil for never.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

// maxError is enough for what a service says beside its refusal.
const maxError = 512

// clip shortens s between two characters.
func clip(s string) string {
	if len(s) <= maxError {
		return s
	}
	n := maxError
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
