package dedupetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/eventdelivery/eds-go/dedupe"
)

// A history is made by so many clients at once, on so few keys.
const (
	clients    = 8
	keys       = 12
	operations = 60 // of each client
	rounds     = 8
)

// operation is what a client asked for.
type operation struct {
	verb verb
	hold dedupe.Hold
}

// histories has clients work on the same keys at once, and checks that their
// answers are those of the machine in some order that fits the times at which
// they asked and were answered.
func histories(t *trial, lease time.Duration) error {
	model := t.model(lease < long)
	for round := range rounds {
		seed := rand.Uint64()
		history, err := t.history(seed, lease)
		if err != nil {
			return fmt.Errorf("round %d, seed %d: %w", round+1, seed, err)
		}
		// Undecided would be a failure of the checker, not of the store.
		if result := porcupine.CheckOperationsTimeout(model, history, patience); result == porcupine.Illegal {
			return fmt.Errorf("round %d, seed %d: the history of %d operations is not linearizable", round+1, seed, len(history))
		}
	}
	return nil
}

func (t *trial) history(seed uint64, lease time.Duration) ([]porcupine.Operation, error) {
	var names [keys]string
	for i := range names {
		names[i] = t.key()
	}
	var clock atomic.Int64 // counts; finer than time, which stands still in a bubble
	var mu sync.Mutex
	var history []porcupine.Operation
	var failure error
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(client)))
			var token [keys]dedupe.Token
			for range operations {
				k := rng.IntN(keys)
				if token[k] == (dedupe.Token{}) || rng.IntN(4) == 0 {
					token[k] = dedupe.NewToken()
				}
				op := operation{claim, dedupe.Hold{Key: names[k], Token: token[k], Lease: lease}}
				switch p := rng.IntN(20); {
				case p < 1:
					op.verb = commit
				case p < 6 && !t.ReleaseWaits:
					op.verb = release
				case p < 9:
					op.verb = renew
				}
				call := clock.Add(1)
				got, err := t.ask(op.verb, op.hold)
				done := clock.Add(1)
				mu.Lock()
				if err != nil {
					failure = err
				}
				history = append(history, porcupine.Operation{
					ClientId: client, Input: op, Output: got,
					Call: call, Return: done,
				})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return history, failure
}

// model is the machine, for each key by itself. With ending leases, any lease
// may be over whenever an operation comes.
func (t *trial) model(ending bool) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byKey := make(map[string][]porcupine.Operation)
			for _, op := range history {
				key := op.Input.(operation).hold.Key
				byKey[key] = append(byKey[key], op)
			}
			parts := make([][]porcupine.Operation, 0, len(byKey))
			for _, part := range byKey {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() []any { return []any{dedupe.Record{}} },
		Step: func(state, input, output any) []any {
			before := []dedupe.Record{state.(dedupe.Record)}
			if r := before[0]; ending && r.State == dedupe.InProgress {
				r.Until = 0 // over
				if t.ForgetsAttempts {
					r = dedupe.Record{}
				}
				before = append(before, r)
			}
			in := input.(operation)
			in.hold.Lease = long
			var after []any
			for _, r := range before {
				if next, want := t.foretell(r, in.verb, in.hold); want == output.(answer) {
					after = append(after, next)
				}
			}
			return after
		},
		Equal: func(a, b any) bool { return a == b },
		DescribeOperation: func(input, output any) string {
			return fmt.Sprintf("%v by %v: %v", input.(operation).verb, input.(operation).hold.Token, output)
		},
	}
	return m.ToModel()
}
