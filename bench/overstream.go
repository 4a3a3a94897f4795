package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// overStream measures all the way: a server, a receiver, Redis, and workers
// in processes of their own.
func overStream(ctx context.Context, spec Spec) (sample Sample, err error) {
	client := redis.NewClient(&redis.Options{Addr: spec.Redis})
	defer client.Close()
	if err := client.FlushAll(ctx).Err(); err != nil {
		return sample, err
	}
	staff, err := hire(ctx, spec)
	if err != nil {
		return sample, err
	}
	defer staff.kill()
	spec.Times = true
	p, err := connect(ctx, spec)
	if err != nil {
		return sample, err
	}
	defer p.kill()
	defer p.explain(&err)
	if err := p.warmUp(); err != nil {
		return sample, err
	}
	if err := drained(ctx, client); err != nil {
		return sample, errors.Join(err, staff.complaint())
	}

	var before, after Mark
	busy, err := redisTime(ctx, spec.Redis)
	if err != nil {
		return sample, err
	}
	workBefore, err := staff.mark()
	if err != nil {
		return sample, err
	}
	if err := p.client.ask("mark", &before); err != nil {
		return sample, err
	}
	served, err := p.serve()
	if err != nil {
		return sample, err
	}
	if err := p.client.ask("mark", &after); err != nil {
		return sample, err
	}
	if err := drained(ctx, client); err != nil {
		return sample, errors.Join(err, staff.complaint())
	}
	workAfter, err := staff.mark()
	if err != nil {
		return sample, err
	}
	busyAfter, err := redisTime(ctx, spec.Redis)
	if err != nil {
		return sample, err
	}
	journals, err := staff.journals()
	if err != nil {
		return sample, err
	}
	if err := p.part(); err != nil {
		return sample, err
	}

	n := float64(served.Events)
	sample = sampleOf(served, before, after)
	sample.Recorded = sample.Rate
	sample.Worker = micros(workAfter-workBefore) / n
	sample.Redis = micros(busyAfter-busy) / n
	return sample, sample.addJournals(served, journals)
}

// addJournals adds what the workers saw of the measured phase: each event
// once.
func (s *Sample) addJournals(served Served, journals []Journal) error {
	var (
		done, acked []time.Duration
		last        int64
		least       = len(served.Sent)
	)
	seen := make([]bool, len(served.Sent))
	for _, j := range journals {
		before := len(done)
		for _, m := range j.Done {
			i := m.Event - served.First
			switch {
			case i < 0: // of the warm-up
				continue
			case i >= len(seen):
				return fmt.Errorf("a worker had event %d, which was never sent", m.Event)
			case seen[i]:
				return fmt.Errorf("event %d was handled twice", m.Event)
			}
			seen[i] = true
			done = append(done, time.Duration(m.At-served.Sent[i]))
		}
		least = min(least, len(done)-before)
		for _, m := range j.Acked {
			if i := m.Event - served.First; i >= 0 && i < len(seen) {
				acked = append(acked, time.Duration(m.At-served.Sent[i]))
				last = max(last, m.At)
			}
		}
	}
	if len(done) != len(seen) || len(acked) != len(seen) {
		return fmt.Errorf("of %d events %d were handled and %d acknowledged to Redis", len(seen), len(done), len(acked))
	}
	slices.Sort(done)
	slices.Sort(acked)
	s.Rate = float64(len(seen)) / time.Duration(last-served.Start).Seconds()
	s.HalfDone, s.Done = micros(quantile(done, 0.50)), micros(quantile(done, 0.99))
	s.Acked = micros(quantile(acked, 0.99))
	s.Least = float64(least) * float64(len(journals)) / float64(len(seen))
	return nil
}

// drained waits until the workers have acknowledged all that is in the stream.
func drained(ctx context.Context, client *redis.Client) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*patience, errors.New("the workers stalled"))
	defer cancel()
	for {
		stream, err := client.XInfoStream(ctx, streamName).Result()
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		groups, err := client.XInfoGroups(ctx, streamName).Result()
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if len(groups) == 1 && groups[0].Pending == 0 && groups[0].LastDeliveredID == stream.LastGeneratedID {
			return nil
		}
		sleep(5 * time.Millisecond)
	}
}

// staff are the workers of a measurement.
type staff []*process

// hire starts workers that have all joined the group.
func hire(ctx context.Context, spec Spec) (all staff, err error) {
	profile := spec.Profile
	for i := range spec.Workers {
		spec.Role, spec.Profile = "worker", ""
		if i == 0 && profile != "" {
			spec.Profile = profile + ".worker"
		}
		w, err := spawn(ctx, spec, "1")
		if err != nil {
			all.kill()
			return nil, err
		}
		all = append(all, w)
	}
	for _, w := range all {
		var ready struct{ Ready bool }
		if err := w.hear(&ready); err != nil {
			all.kill()
			return nil, errors.Join(err, all.complaint())
		}
	}
	return all, nil
}

// mark returns what all have used so far.
func (all staff) mark() (total time.Duration, err error) {
	for _, w := range all {
		var m Mark
		if err := w.ask("mark", &m); err != nil {
			return 0, errors.Join(err, w.complaint())
		}
		total += m.CPU
	}
	return total, nil
}

func (all staff) journals() ([]Journal, error) {
	journals := make([]Journal, len(all))
	for i, w := range all {
		var reply struct {
			Journal
			Err string `json:"err"`
		}
		if err := w.ask("journal", &reply); err != nil {
			return nil, errors.Join(err, w.complaint())
		}
		if reply.Err != "" {
			return nil, errors.New(reply.Err)
		}
		journals[i] = reply.Journal
	}
	return journals, nil
}

func (all staff) kill() {
	for _, w := range all {
		w.kill()
	}
}

// complaint is for when all have been killed, or are about to be.
func (all staff) complaint() error {
	all.kill()
	var err error
	for _, w := range all {
		err = errors.Join(err, w.complaint())
	}
	return err
}
