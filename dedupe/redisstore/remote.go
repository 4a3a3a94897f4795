package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe"
)

// remote is the state machine in Redis, without any policy.
type remote struct {
	pipe   *pipeline
	retain time.Duration // of done, and of attempts
	px     any           // retain in ms
	can    *abilities
}

var background = context.Background()

// Words of commands, boxed once.
var (
	wSet, wNX, wGet, wPX any = "SET", "NX", "GET", "PX"
	wEvalSha, wEval, w1  any = "EVALSHA", "EVAL", "1"
)

// claim claims h under key; busy claims of our own process included.
func (r *remote) claim(key string, h dedupe.Hold) (dedupe.Claim, error) {
	can := r.can
	if !can.setNXGet {
		return r.claimByScript(key, h)
	}
	keep := r.retain
	if !can.scripts {
		keep = 0 // nobody could take over, so the key ends with the lease
	}
	var room [96]byte
	value := string(appendClaim(room[:0], h, keep))
	cmd := redis.NewStringCmd(background, wSet, key, &value, wNX, wGet, wPX, ms(keep+lease(h)))
	if err := r.pipe.do(cmd); err != nil {
		return dedupe.Claim{}, err
	}
	old, err := cmd.Result()
	if errors.Is(err, redis.Nil) {
		return dedupe.Claim{State: dedupe.Acquired, Attempt: 1}, nil
	}
	if err != nil {
		return dedupe.Claim{}, wrap(key, err)
	}
	rec, err := parse(key, old)
	if err != nil {
		return dedupe.Claim{}, err
	}
	changed := rec.payload != 0 && h.Payload != 0 && rec.payload != h.Payload
	if rec.state == dedupe.Finished {
		return dedupe.Claim{State: dedupe.Done, Result: rec.result, Changed: changed}, nil
	}
	if can.scripts {
		return r.claimByScript(key, h)
	}
	return r.claimPlain(key, h, rec, changed)
}

// claimPlain goes on without scripts after SET has shown rec.
func (r *remote) claimPlain(key string, h dedupe.Hold, rec record, changed bool) (dedupe.Claim, error) {
	if rec.state == dedupe.InProgress && rec.token == h.Token.String() {
		owned, err := r.renewPlain(key, h)
		if err != nil {
			return dedupe.Claim{}, err
		}
		if !owned {
			return r.claim(key, h) // it has just ended or been replaced
		}
		return dedupe.Claim{State: dedupe.Acquired, Attempt: rec.attempt, Abandoned: rec.abandoned, Changed: changed}, nil
	}
	cmd := redis.NewIntCmd(background, "PTTL", key)
	if err := r.pipe.do(cmd); err != nil {
		return dedupe.Claim{}, err
	}
	left, err := cmd.Result()
	if err != nil {
		return dedupe.Claim{}, wrap(key, err)
	}
	// A record without an end, or one that has just ended, is tried again soon.
	wait := max(time.Duration(left)*time.Millisecond-rec.keep, 0)
	return dedupe.Claim{State: dedupe.Busy, Attempt: rec.attempt, Abandoned: rec.abandoned, Wait: wait, Changed: changed}, nil
}

func (r *remote) claimByScript(key string, h dedupe.Hold) (dedupe.Claim, error) {
	if !r.can.scripts {
		return dedupe.Claim{}, r.can.err
	}
	payload := ""
	if h.Payload != 0 {
		payload = strconv.FormatUint(h.Payload, 16)
	}
	reply, err := r.eval(claimScript, key, h.Token.String(), ms(r.retain+lease(h)), r.px, payload)
	if err != nil {
		return dedupe.Claim{}, err
	}
	f, ok := reply.([]any)
	if !ok || len(f) != 5 {
		return dedupe.Claim{}, fmt.Errorf("%w: unexpected reply %T to a claim", dedupe.ErrUnavailable, reply)
	}
	state, _ := f[0].(string)
	first, _ := f[1].(string)
	abandoned, _ := f[2].(string)
	wait, _ := f[3].(int64)
	hashed, _ := f[4].(string)
	ok = true
	was := hash(hashed, &ok)
	c := dedupe.Claim{Changed: was != 0 && h.Payload != 0 && was != h.Payload}
	switch state {
	case "D":
		c.State, c.Result = dedupe.Done, dedupe.Result(number(first, &ok))
	case "P":
		c.State, c.Wait = dedupe.Busy, time.Duration(wait)*time.Millisecond
	case "C":
		c.State = dedupe.Acquired
	default:
		return dedupe.Claim{}, &RecordError{Key: key, Value: first}
	}
	if c.State != dedupe.Done {
		c.Attempt, c.Abandoned = number(first, &ok), number(abandoned, &ok)
	}
	if !ok {
		return dedupe.Claim{}, &RecordError{Key: key, Value: first}
	}
	return c, nil
}

// commit writes done. Known is false when there was no record at all.
func (r *remote) commit(key string, h dedupe.Hold, result dedupe.Result) (owned, known bool, err error) {
	var room [32]byte
	value := string(appendDone(room[:0], h, result))
	var old string
	if r.can.setNXGet {
		cmd := redis.NewStringCmd(background, wSet, key, &value, wGet, wPX, r.px)
		if err := r.pipe.do(cmd); err != nil {
			return false, false, err
		}
		old, err = cmd.Result()
	} else {
		var reply any
		if reply, err = r.eval(commitScript, key, value, r.px); err == nil {
			old, _ = reply.(string)
		}
	}
	if errors.Is(err, redis.Nil) {
		return false, false, nil
	}
	if err != nil {
		return false, false, wrap(key, err)
	}
	rec, err := parse(key, old)
	// What could not be read has been replaced: success wins.
	return err == nil && rec.state == dedupe.InProgress && rec.token == h.Token.String(), true, nil
}

func (r *remote) release(key string, h dedupe.Hold) (bool, error) {
	if r.can.scripts {
		reply, err := r.eval(releaseScript, key, h.Token.String(), r.px)
		return reply == int64(1), err
	}
	if r.can.compareDelete == nil {
		return false, nil // the record ends with its lease
	}
	value := string(appendClaim(nil, h, 0))
	cmd := redis.NewIntCmd(background, r.can.compareDelete(key, value)...)
	if err := r.pipe.do(cmd); err != nil {
		return false, err
	}
	n, err := cmd.Result()
	return n == 1, wrap(key, err)
}

func (r *remote) renew(key string, h dedupe.Hold) (bool, error) {
	if r.can.scripts {
		reply, err := r.eval(renewScript, key, h.Token.String(), ms(lease(h)))
		return reply == int64(1), err
	}
	return r.renewPlain(key, h)
}

// renewPlain looks and extends in one round trip, but not in one step. That
// does no harm: GT never shortens a record, so at worst the lease of somebody
// who took over in between lasts longer.
func (r *remote) renewPlain(key string, h dedupe.Hold) (bool, error) {
	get := redis.NewStringCmd(background, wGet, key)
	if err := r.pipe.do(get); err != nil {
		return false, err
	}
	v, err := get.Result()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, wrap(key, err)
	}
	rec, err := parse(key, v)
	if err != nil {
		return false, err
	}
	if rec.state != dedupe.InProgress || rec.token != h.Token.String() {
		return false, nil
	}
	extend := redis.NewIntCmd(background, "PEXPIRE", key, ms(rec.keep+lease(h)), "GT")
	if err := r.pipe.do(extend); err != nil {
		return false, err
	}
	// 0 says that the lease lasts longer already, or is over.
	if n, err := extend.Result(); err != nil || n == 1 {
		return err == nil, wrap(key, err)
	}
	exists := redis.NewStringCmd(background, wGet, key)
	if err := r.pipe.do(exists); err != nil {
		return false, err
	}
	again, err := exists.Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, wrap(key, err)
	}
	return again == v, nil
}

// eval runs a script by its hash, and by its source where the server does not
// know it, as after a restart. A nil reply is redis.Nil.
func (r *remote) eval(s *script, key string, args ...any) (any, error) {
	run := func(how, what any) (any, error) {
		cmd := redis.NewCmd(background, append([]any{how, what, w1, key}, args...)...)
		if err := r.pipe.do(cmd); err != nil {
			return nil, err
		}
		return cmd.Result()
	}
	reply, err := run(wEvalSha, s.sha)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		reply, err = run(wEval, s.source)
	}
	if errors.Is(err, redis.Nil) {
		return nil, err
	}
	return reply, wrap(key, err)
}

// wrap gives an error of Redis its meaning: nothing is known of the event.
func wrap(key string, err error) error {
	switch {
	case err == nil:
		return nil
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return &RecordError{Key: key}
	}
	return fmt.Errorf("%w: redis: %w", dedupe.ErrUnavailable, err)
}

func lease(h dedupe.Hold) time.Duration {
	if h.Lease <= 0 {
		return dedupe.DefaultLease
	}
	return h.Lease
}

// ms rounds up, so that no lease is without length.
func ms(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }
