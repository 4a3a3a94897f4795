package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// loss is a message that does not arrive, the first time that it is sent.
type loss struct {
	name  string
	frame string // the type of the frame that is lost
	store string // the store operation that is affected
	fault StoreFault
}

var losses = []loss{
	{name: "nothing"},
	{name: "event", frame: "EVENT"},
	{name: "ack", frame: "ACK_EVENT"},
	{name: "reply", frame: "ACK_EVENT_REPLY"},
	{name: "pong", frame: "PONG"},
	{name: "ping", frame: "PING"},
	{name: "claim", store: "claim", fault: StoreFault{Refuse: true}},
	{name: "claim reply", store: "claim", fault: StoreFault{LoseReply: true}},
	{name: "claim reply for good", store: "claim", fault: StoreFault{LoseReply: true, Silent: true}},
	{name: "commit", store: "commit", fault: StoreFault{Refuse: true}},
	{name: "commit reply", store: "commit", fault: StoreFault{LoseReply: true}},
	{name: "commit reply for good", store: "commit", fault: StoreFault{LoseReply: true, Silent: true}},
	{name: "release", store: "release", fault: StoreFault{Refuse: true}},
	{name: "release reply", store: "release", fault: StoreFault{LoseReply: true}},
	{name: "release reply for good", store: "release", fault: StoreFault{LoseReply: true, Silent: true}},
}

// recorded is what the history calls it.
func (l loss) recorded() string {
	switch {
	case l.frame != "":
		return l.frame + " lost"
	case l.fault.Refuse:
		return l.store + " refused"
	case l.fault.Silent:
		return l.store + " reply lost for good"
	}
	return l.store + " reply lost"
}

// TestEveryCrashPointTimesEveryLostMessage plays the life of one event with
// each combination of a crash, a lost message, and what the handler does the
// first time.
func TestEveryCrashPointTimesEveryLostMessage(t *testing.T) {
	acts := []Act{Works, Fails, Panics, Exits}
	cases, doubles := 0, 0
	happened := map[string]int{}
	for _, crash := range append([]Point{"nowhere"}, Points...) {
		for _, lost := range losses {
			for _, act := range acts {
				cases++
				s := Scenario{
					Seed: Seed(cases), Client: Framework(), Events: 1, Over: 10 * time.Minute,
					CrashAt: func(at Point, _ string, n int) bool { return at == crash && n == 1 },
					Act: func(_ string, n int) Act {
						if n == 1 {
							return act
						}
						return Works
					},
					Frame: func(f Frame) FrameFault { return FrameFault{Drop: f.Type == lost.frame && f.N == 1} },
					StoreCall: func(_, op, _ string, n int) StoreFault {
						if op == lost.store && n == 1 {
							return lost.fault
						}
						return StoreFault{}
					},
				}
				t.Run(fmt.Sprintf("crash %s, lost %s, handler %s", crash, lost.name, act), func(t *testing.T) {
					p := play(t, s)
					p.wantNoViolation(t)
					doubles += p.report.Duplicated
					for what, n := range p.report.Faults {
						happened[what] += n
					}
					if act == Works && lost.name == "nothing" && crash != "nowhere" && p.report.Ops[history.Crash] != 1 {
						t.Errorf("%d crashes, want 1", p.report.Ops[history.Crash])
					}
				})
			}
		}
	}
	// A combination may be impossible, as a crash after a commit that never
	// was; but each crash and each loss must have happened somewhere.
	for _, point := range Points {
		if happened["crash "+string(point)] == 0 {
			t.Errorf("no crash %s happened", point)
		}
	}
	for _, lost := range losses[1:] {
		if happened[lost.recorded()] == 0 {
			t.Errorf("%q never happened", lost.recorded())
		}
	}
	t.Logf("%d cases, %d double effects, each explained by its crash or fault", cases, doubles)
}
