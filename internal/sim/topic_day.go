package sim

import (
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

// TopicDay is a BadDay of a Pulsar: the same handlers, crashes and stores, and
// what may befall a WebSocket over TCP, which loses nothing but its end.
func TopicDay(seed Seed, over time.Duration, spec Topic) Scenario {
	s := BadDay(seed, over)
	s.Processes, s.Topic, s.Nemeses = 1, &spec, TopicNemeses(20*time.Minute)
	s.Quiet = 20 * time.Minute // half-open sessions last for 5, and what is given back waits for 1
	spec.Window = []int{2, 10, 64}[seed.Pick(3, "receiver queue")]
	spec.NackDelay = []time.Duration{0, time.Second}[seed.Pick(2, "nack delay")]
	spec.BatchIDs = seed.Chance(0.5, "batch ids")
	spec.InPieces = func(event string, n int) bool { return seed.Chance(0.05, "pieces", event, n) }
	if spec.Keys > 0 {
		s.Client = Framework(eds.Concurrency(s.Lanes), eds.OrderBy(pulsarws.Key))
	}
	s.Frame = func(f Frame) FrameFault {
		at := func(what string) []any { return []any{what, f.Type, f.Event, f.N} }
		return FrameFault{
			Cut:  seed.Chance(0.005, at("cut")...),
			Lose: seed.Chance(0.003, at("lose")...),
		}
	}
	return s
}

// ConsumerDay is a TopicDay of as many processes as the subscription allows.
func ConsumerDay(kind pulsarws.SubscriptionType) func(Seed, time.Duration) Scenario {
	return func(seed Seed, over time.Duration) Scenario {
		spec := Topic{Kind: kind, Pull: seed.Chance(0.3, "pull")}
		if kind == pulsarws.KeyShared {
			spec.Keys = 5
		}
		if seed.Chance(0.5, "acknowledgement timeout") {
			spec.AckTimeout = time.Minute
		}
		s := TopicDay(seed, over, spec)
		if s.Topic.AckTimeout > 0 && s.Topic.Window >= 10 {
			// Each costs a place in the window for as long as the connection
			// lasts.
			s.Topic.Lost = func(event string, n int) bool { return seed.Chance(0.01, "answer", event, n) }
		}
		if kind == pulsarws.Shared || kind == pulsarws.KeyShared {
			s.Processes = 2 + seed.Pick(2, "processes")
			s.Topic.DeadLetters = []int{0, 3}[seed.Pick(2, "dead letters")]
		}
		if kind == pulsarws.Failover {
			s.Processes = 2
		}
		return s
	}
}

// ReaderDay is a TopicDay of one process whose position is kept outside, with
// a dedupe store and without one.
func ReaderDay(start pulsarws.Start) func(Seed, time.Duration) Scenario {
	return func(seed Seed, over time.Duration) Scenario {
		s := TopicDay(seed, over, Topic{
			Start: start, Newer: seed.Chance(0.5, "newer"),
			SaveEvery: []time.Duration{0, 20 * time.Second}[seed.Pick(2, "save every")],
		})
		if start == pulsarws.Latest {
			// Until the first position is saved, a reader that has to begin
			// anew leaves out what came meanwhile; it is documented so.
			s.Dawn = 5 * time.Minute
		}
		if seed.Chance(0.5, "without a store") {
			s.Client = FrameworkWithoutStore(eds.Concurrency(s.Lanes))
		}
		crash, call := s.CrashAt, s.StoreCall
		s.CrashAt = func(at Point, event string, n int) bool {
			if at == BeforeSave || at == AfterSave {
				return seed.Chance(0.003, "crash", at, event, n)
			}
			return crash(at, event, n)
		}
		s.StoreCall = func(process, op, event string, n int) StoreFault {
			f := call(process, op, event, n)
			if op == "save" && seed.Chance(0.01, "late", process, n) {
				f.Late = seed.Between(time.Millisecond, 40*time.Second, "late for", process, n)
			}
			return f
		}
		return s
	}
}
