package eds_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
)

// journal notes what handlers do, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.lines, want) {
		t.Errorf("journal %q, want %q", j.lines, want)
	}
}

func (j *journal) handler(d time.Duration) eds.Handler {
	return func(ctx context.Context, e *eds.Event) error {
		j.add("start %s", e.ID)
		time.Sleep(d)
		j.add("end %s", e.ID)
		return nil
	}
}

func TestSerialByDefault(t *testing.T) {
	// Once with handlers that run on the receiving goroutine, and once with
	// slow ones, for which receiving is handed over.
	for _, d := range []time.Duration{0, time.Second} {
		t.Run(d.String(), func(t *testing.T) {
			var j journal
			bubble(t, handle(j.handler(d)), func(t *testing.T, r *running) {
				var starts, acks []string
				for i := range 5 {
					id := fmt.Sprint(i)
					r.deliver(id, "X", "R"+id)
					starts = append(starts, "start "+id, "end "+id)
					acks = append(acks, "ack R"+id)
				}
				time.Sleep(time.Minute)
				j.want(t, starts...)
				r.want(t, acks...)
			})
		})
	}
}

// Each event is acknowledged when it is done, not when those behind it are.
func TestAckWaitsForNoOther(t *testing.T) {
	var j journal
	bubble(t, handle(j.handler(time.Second)), func(t *testing.T, r *running) {
		r.deliver("1", "X", "R1")
		r.deliver("2", "X", "R2")
		time.Sleep(time.Second + time.Millisecond)
		r.want(t, "ack R1")
	})
}

// A slow handler must not keep the transport from being read: keep-alive
// answers and redeliveries come in there.
func TestReceivingGoesOnBesideASlowHandler(t *testing.T) {
	var j journal
	bubble(t, handle(j.handler(time.Second)), func(t *testing.T, r *running) {
		r.deliver("1", "X", "R1")
		r.deliver("2", "X", "R2")
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if h := r.app.Health(); h.Running != 1 || h.Queued != 1 {
			t.Errorf("health %+v, want 1 running and 1 queued", h)
		}
	})
}

// The same when the slow handler comes in the wake of a quick one.
func TestReceivingIsHandedOverInAnyCase(t *testing.T) {
	bubble(t, handle(func(_ context.Context, e *eds.Event) error {
		if e.ID == "slow" {
			time.Sleep(time.Second)
		}
		return nil
	}), func(t *testing.T, r *running) {
		r.deliver("quick", "X", "R1")
		time.Sleep(2 * time.Millisecond)
		r.deliver("slow", "X", "R2")
		r.deliver("behind", "X", "R3")
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if h := r.app.Health(); h.Running != 1 || h.Queued != 1 {
			t.Errorf("health %+v, want 1 running and 1 queued", h)
		}
	})
}

// Handlers that began at different times are each given up in their time.
func TestStuckHandlersInTurn(t *testing.T) {
	var release chan struct{}
	bubbleWith(t, &release, handle(func(context.Context, *eds.Event) error { <-release; return nil }),
		func(t *testing.T, r *running) {
			r.deliver("1", "X", "R1")
			time.Sleep(5 * time.Second)
			r.deliver("2", "X", "R2")
			time.Sleep(30 * time.Second)
			r.want(t, "ack R1")
			time.Sleep(5 * time.Second)
			r.want(t, "ack R1", "ack R2")
		}, eds.Concurrency(2))
}

// An acknowledgement that takes its time is no stuck handler: the outcome
// stands, and nobody settles the event a second time.
func TestSlowAckIsNotStuck(t *testing.T) {
	bubble(t, handle(func(context.Context, *eds.Event) error { return nil }), func(t *testing.T, r *running) {
		r.ackWait = time.Minute
		r.deliver("1", "X", "R1")
		time.Sleep(2 * time.Minute)
		r.want(t, "ack R1")
		if h := r.app.Health(); h.Stuck != 0 {
			t.Errorf("stuck %d, want none", h.Stuck)
		}
	})
}

func TestConcurrency(t *testing.T) {
	var j journal
	bubble(t, handle(j.handler(time.Second)), func(t *testing.T, r *running) {
		for i := range 5 {
			r.deliver(fmt.Sprint(i), "X", fmt.Sprint("R", i))
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if h := r.app.Health(); h.Running != 3 || h.Queued != 2 {
			t.Errorf("health %+v, want 3 running and 2 queued", h)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(r.log()); n != 5 {
			t.Errorf("%d settled, want 5 after two rounds", n)
		}
	}, eds.Concurrency(3))
}

func TestOrderByKey(t *testing.T) {
	var j journal
	slow := func(_ context.Context, e *eds.Event) error {
		j.add("start %s", e.ID)
		if e.ID == "a1" {
			time.Sleep(time.Second)
		}
		j.add("end %s", e.ID)
		return nil
	}
	bubble(t, handle(slow), func(t *testing.T, r *running) {
		for _, id := range []string{"a1", "a2", "b1", "a3"} {
			r.deliver(id, "X", "R"+id)
			synctest.Wait()
		}
		j.want(t, "start a1", "start b1", "end b1")
		time.Sleep(time.Second)
		j.want(t, "start a1", "start b1", "end b1", "end a1", "start a2", "end a2", "start a3", "end a3")
	}, eds.Concurrency(4), eds.OrderBy(func(e *eds.Event) string { return e.ID[:1] }))
}

// A redelivery of an event that is still being handled joins the run; the
// newest receipt is acknowledged first, since an old one may count no more.
func TestRedeliveryJoins(t *testing.T) {
	faults.Covers(t, "C6", "D3")
	for _, concurrency := range []int{1, 4} {
		t.Run(fmt.Sprint("concurrency_", concurrency), func(t *testing.T) {
			var j journal
			bubble(t, handle(j.handler(65*time.Second)), func(t *testing.T, r *running) {
				r.deliver("1", "X", "R1")
				time.Sleep(30 * time.Second)
				r.deliver("1", "X", "R2")
				time.Sleep(30 * time.Second)
				r.deliver("1", "X", "R3")
				last := &eds.Delivery{Event: eds.Event{ID: "1", Source: "test://host/q", Payload: []byte("{}")}, Receipt: "R4"}
				r.in <- last
				time.Sleep(4 * time.Second)
				r.want(t)
				if last.Event.Payload != nil {
					t.Error("a delivery that waits for another's run keeps its payload in memory")
				}
				time.Sleep(time.Minute)
				r.want(t, "ack R4", "ack R3", "ack R2", "ack R1")
				j.want(t, "start 1", "end 1")
				if got := r.app.Health().Outcomes[eds.Handled]; got != 4 {
					t.Errorf("handled deliveries %d, want 4", got)
				}
			}, eds.HandlerTimeout(2*time.Minute), eds.Concurrency(concurrency))
		})
	}
}

// A redelivery may also find its event still waiting.
func TestRedeliveryJoinsWhatWaits(t *testing.T) {
	var j journal
	bubble(t, handle(j.handler(time.Second)), func(t *testing.T, r *running) {
		r.deliver("1", "X", "R1")
		r.deliver("2", "X", "R2")
		r.deliver("2", "X", "R3")
		time.Sleep(3 * time.Second)
		r.want(t, "ack R1", "ack R3", "ack R2")
		j.want(t, "start 1", "end 1", "start 2", "end 2")
	})
}

// The same frame twice: its receipt is acknowledged once.
func TestSameReceiptTwice(t *testing.T) {
	faults.Covers(t, "B18", "C14")
	var j journal
	bubble(t, handle(j.handler(time.Second)), func(t *testing.T, r *running) {
		r.deliver("1", "X", "R1")
		r.deliver("1", "X", "R1")
		time.Sleep(3 * time.Second)
		r.want(t, "ack R1")
		j.want(t, "start 1", "end 1")
		if total := r.app.Health().Outcomes.Total(); total != 2 {
			t.Errorf("%d deliveries have an outcome, want 2", total)
		}
	})
}

// What is in memory is bounded in count and in bytes: the transport is not
// asked for more.
func TestBackPressure(t *testing.T) {
	faults.Covers(t, "G1", "G3")
	for _, row := range []struct {
		rule string
		opt  eds.Option
		held int
	}{
		{"by_count", eds.Buffer(3, 1<<20), 3},
		{"by_bytes", eds.Buffer(100, 5), 3}, // payloads of 2 bytes: the third passes 5
		{"one_is_always_admitted", eds.Buffer(100, 1), 1},
	} {
		t.Run(row.rule, func(t *testing.T) {
			var j journal
			bubble(t, handle(j.handler(time.Second)), func(t *testing.T, r *running) {
				for i := range 10 {
					r.deliver(fmt.Sprint(i), "X", fmt.Sprint("R", i))
				}
				time.Sleep(500 * time.Millisecond)
				synctest.Wait()
				if left := len(r.in); left != 10-row.held {
					t.Errorf("%d deliveries left unread, want %d", left, 10-row.held)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := len(r.log()); n != 10 {
					t.Errorf("%d settled in the end, want 10", n)
				}
			}, row.opt)
		})
	}
}

// Events that waited long still run, with their full time.
func TestLongWaitCostsNoHandlerTime(t *testing.T) {
	faults.Covers(t, "G2")
	var left []time.Duration
	bubble(t, handle(func(ctx context.Context, e *eds.Event) error {
		deadline, _ := ctx.Deadline()
		left = append(left, time.Until(deadline))
		time.Sleep(20 * time.Second)
		return nil
	}), func(t *testing.T, r *running) {
		for i := range 3 {
			r.deliver(fmt.Sprint(i), "X", fmt.Sprint("R", i))
		}
		time.Sleep(2 * time.Minute)
		r.want(t, "ack R0", "ack R1", "ack R2")
		for _, d := range left {
			if d != 25*time.Second {
				t.Errorf("a handler had %v, want 25s", d)
			}
		}
	})
}

// A stuck handler costs its own event, not those behind it, and its lane is
// free again.
func TestStuckHandlerFreesItsLane(t *testing.T) {
	faults.Covers(t, "C5", "C14")
	for _, concurrency := range []int{1, 2} {
		t.Run(fmt.Sprint("concurrency_", concurrency), func(t *testing.T) {
			var release chan struct{}
			bubbleWith(t, &release, handle(func(_ context.Context, e *eds.Event) error {
				if e.ID != "ok" {
					<-release
				}
				return nil
			}), func(t *testing.T, r *running) {
				r.deliver("1", "X", "R1")
				r.deliver("2", "X", "R2")
				r.deliver("ok", "X", "R3")
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if got := r.log(); len(got) != 3 {
					t.Errorf("settled %q, want all three", got)
				}
				if h := r.app.Health(); h.Stuck != 2 {
					t.Errorf("stuck %d, want 2", h.Stuck)
				}
				release <- struct{}{}
				release <- struct{}{}
				synctest.Wait()
				if h := r.app.Health(); h.Stuck != 0 {
					t.Errorf("stuck %d after they returned, want 0", h.Stuck)
				}
				if got := r.log(); len(got) != 3 {
					t.Errorf("a returning stuck handler settled again: %q", got)
				}
			}, eds.Concurrency(concurrency))
		})
	}
}

// Goroutines come and go with hand-overs, losses and bursts; in the end every
// event ran once and in order per key.
func TestManyEventsUnderMixedLoad(t *testing.T) {
	byType := func(e *eds.Event) string { return e.Type }
	for _, row := range []struct {
		name    string
		ordered bool // per type
		opts    []eds.Option
	}{
		{"serial", true, nil},
		{"concurrent", false, []eds.Option{eds.Concurrency(8)}},
		{"keyed", true, []eds.Option{eds.Concurrency(8), eds.OrderBy(byType)}},
		{"tight_buffer", false, []eds.Option{eds.Concurrency(2), eds.Buffer(5, 1000)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			const n = 3000
			var mu sync.Mutex
			ran := make(map[string]int)
			last := make(map[string]int)
			bubble(t, handle(func(_ context.Context, e *eds.Event) error {
				i, _ := strconv.Atoi(e.ID)
				mu.Lock()
				ran[e.ID]++
				if row.ordered && last[e.Type] > i {
					t.Errorf("event %d began after %d", i, last[e.Type])
				}
				last[e.Type] = i
				mu.Unlock()
				if i%97 == 0 {
					time.Sleep(time.Duration(i) * time.Microsecond)
				}
				switch {
				case i%101 == 0:
					panic("now and then")
				case i%103 == 0:
					runtime.Goexit()
				}
				return nil
			}), func(t *testing.T, r *running) {
				go func() {
					for i := range n {
						r.deliver(strconv.Itoa(i), fmt.Sprint("T", i%7), fmt.Sprint("R", i))
						if i%500 == 0 {
							time.Sleep(time.Millisecond)
						}
					}
				}()
				time.Sleep(time.Hour)
				synctest.Wait()
				if got := r.log(); len(got) != n {
					t.Errorf("%d settled, want %d", len(got), n)
				}
				for id, times := range ran {
					if times != 1 {
						t.Errorf("event %s ran %d times", id, times)
					}
				}
				if h := r.app.Health(); h.Running != 0 || h.Queued != 0 || h.OldestUnacked != 0 {
					t.Errorf("health %+v, want nothing left", h)
				}
			}, row.opts...)
		})
	}
}
