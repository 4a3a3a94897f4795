package history

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report tells in numbers what a history contains. Reports of several
// histories can be added up.
type Report struct {
	// The counters of Jepsen's queue checkers.
	Attempted    int // events that the service was asked to take
	Acknowledged int // of those, taken for sure
	OK           int // acknowledged, and handled or parked
	Lost         int // acknowledged, and never handled or parked
	Unexpected   int // handled, and never sent
	Duplicated   int // effects of an event beyond its first
	Recovered    int // not known to be taken, and yet handled

	// Explained counts the duplicated effects by the fault that lies before
	// them. CrashWindows counts the events that a crash hit between effect and
	// commit: the only duplicates that cannot be prevented from outside the
	// handler. Not each becomes one, since the next run may fail.
	Explained    map[string]int
	CrashWindows int

	Parked int
	Ops    map[Op]int
	Faults map[string]int // injected, by what they are

	Handling   Distribution // from the enqueueing to the first effect or park
	Redelivery Distribution // between two deliveries of an event
	Recovery   Distribution // from a lost connection or a crash to the next delivery
	Virtual    time.Duration
}

// ReportOf counts what is in a history.
func ReportOf(entries []Entry) Report {
	ix := indexOf(entries)
	r := Report{Explained: map[string]int{}, Ops: map[Op]int{}, Faults: map[string]int{}}
	if len(entries) > 0 {
		r.Virtual = entries[len(entries)-1].Time.Sub(entries[0].Time)
	}
	for _, k := range ix.keys {
		r.countEvent(ix, k)
	}
	windows := map[window]bool{}
	for _, k := range ix.keys {
		for _, s := range ix.runsOf(k) {
			for _, c := range ix.shared {
				if s.hitInWindow(c) {
					windows[window{c.Seq, k}] = true
				}
			}
		}
	}
	r.CrashWindows = len(windows)

	var down *Entry
	for i, e := range entries {
		r.Ops[e.Op]++
		switch e.Op {
		case Fault, StoreFault, LeaseLost, Crash:
			name := string(e.Op)
			if e.Result != "" {
				name = e.Result
			}
			r.Faults[name]++
		}
		switch e.Op {
		case Disconnect, Crash:
			if down == nil {
				down = &entries[i]
			}
		case Deliver:
			if down != nil {
				r.Recovery.add(e.Time.Sub(down.Time))
				down = nil
			}
		}
	}
	return r
}

// window is a crash between the effect and the commit of an event.
type window struct {
	crash int
	event key
}

func (r *Report) countEvent(ix *index, k key) {
	sent, isSent := ix.enqueued(k)
	done := -1
	var delivered, first time.Time
	for _, e := range ix.events[k] {
		if settles(e.Op) && done < 0 {
			done, first = e.Seq, e.Time
		}
		if e.Op == Park {
			r.Parked++
		}
		if e.Op == Deliver && e.Result != Repeated {
			if !delivered.IsZero() {
				r.Redelivery.add(e.Time.Sub(delivered))
			}
			delivered = e.Time
		}
	}
	if isSent {
		r.Attempted++
	}
	switch {
	case !isSent && done >= 0:
		r.Unexpected++
	case isSent && sent.Result == Unconfirmed && done >= 0:
		r.Recovered++
	case isSent && sent.Result != Unconfirmed:
		r.Acknowledged++
		switch {
		case done >= 0:
			r.OK++
			r.Handling.add(first.Sub(sent.Time))
		case sent.Result == Unhandled:
			r.OK++
		default:
			r.Lost++
		}
	}
	extra, reasons := ix.doubles(k)
	r.Duplicated += len(extra)
	for _, reason := range reasons {
		r.Explained[reason]++
	}
}

// Add puts another history's numbers to these.
func (r *Report) Add(o Report) {
	r.Attempted += o.Attempted
	r.Acknowledged += o.Acknowledged
	r.OK += o.OK
	r.Lost += o.Lost
	r.Unexpected += o.Unexpected
	r.Duplicated += o.Duplicated
	r.Recovered += o.Recovered
	r.CrashWindows += o.CrashWindows
	r.Parked += o.Parked
	r.Virtual += o.Virtual
	r.Explained = sum(r.Explained, o.Explained)
	r.Ops = sum(r.Ops, o.Ops)
	r.Faults = sum(r.Faults, o.Faults)
	r.Handling.samples = append(r.Handling.samples, o.Handling.samples...)
	r.Redelivery.samples = append(r.Redelivery.samples, o.Redelivery.samples...)
	r.Recovery.samples = append(r.Recovery.samples, o.Recovery.samples...)
}

func sum[K comparable](a, b map[K]int) map[K]int {
	if a == nil {
		a = map[K]int{}
	}
	for k, n := range b {
		a[k] += n
	}
	return a
}

func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.1f virtual hours, %d events, %d deliveries, %d connects, %d crashes, %d parked\n",
		r.Virtual.Hours(), r.Attempted, r.Ops[Deliver], r.Ops[Connect], r.Ops[Crash], r.Parked)
	fmt.Fprintf(&b, "attempted %d, acknowledged %d, ok %d, lost %d, duplicated %d, recovered %d, unexpected %d\n",
		r.Attempted, r.Acknowledged, r.OK, r.Lost, r.Duplicated, r.Recovered, r.Unexpected)
	fmt.Fprintf(&b, "crashes between effect and commit: %d; duplicates explained by: %s\n", r.CrashWindows, counts(r.Explained))
	fmt.Fprintf(&b, "faults: %s\n", counts(r.Faults))
	fmt.Fprintf(&b, "handling   %s\nredelivery %s\nrecovery   %s", &r.Handling, &r.Redelivery, &r.Recovery)
	return b.String()
}

func counts(m map[string]int) string {
	if len(m) == 0 {
		return "none"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(parts, ", ")
}

// Distribution is a set of durations. The zero value is empty.
type Distribution struct{ samples []time.Duration }

func (d *Distribution) add(t time.Duration) { d.samples = append(d.samples, t) }

// Count is how many durations there are.
func (d *Distribution) Count() int { return len(d.samples) }

// Quantile returns the duration that the share q of all does not exceed; zero
// when there are none.
func (d *Distribution) Quantile(q float64) time.Duration {
	if len(d.samples) == 0 {
		return 0
	}
	slices.Sort(d.samples)
	return d.samples[min(int(q*float64(len(d.samples))), len(d.samples)-1)]
}

func (d *Distribution) String() string {
	return fmt.Sprintf("n=%d p50=%v p99=%v max=%v", d.Count(), d.Quantile(0.5), d.Quantile(0.99), d.Quantile(1))
}
