package redisstream_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// none makes sure that nothing is delivered while d passes.
func none(tb testing.TB, w *redisstream.Transport, d time.Duration) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), d)
	defer cancel()
	if got, err := w.Receive(ctx); err == nil {
		tb.Fatalf("event %q was delivered, attempt %d; want none", got.Event.ID, got.Event.Attempt)
	}
}

// F5: what a worker has when it dies is taken over, each entry once, in the
// order of the stream and counted; what the living have stays theirs.
func TestDeadWorkersEntries(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F5")
	server, admin := start(t)
	pub := publisher(t, admin)
	deadClient := server.Client()
	dead := redisstream.New(deadClient, stream, group, soon()...)
	publish(t, pub, "1", "2", "3")
	for _, id := range []string{"1", "2", "3"} {
		expect(t, dead, id)
	}
	live := worker(t, server.Client())
	publish(t, pub, "4")
	var busy *eds.Delivery
	for busy == nil { // either may read it
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if d, err := live.Receive(ctx); err == nil {
			busy = d
		} else if d, err := dead.Receive(ctx); err == nil {
			ack(t, dead, d)
			publish(t, pub, "4")
		}
		cancel()
	}
	deadClient.Close() // as a SIGKILL would
	for _, id := range []string{"1", "2", "3"} {
		d := expect(t, live, id)
		if d.Event.Attempt != 2 {
			t.Errorf("event %s: attempt %d, want 2", id, d.Event.Attempt)
		}
		ack(t, live, d)
	}
	none(t, live, 2*time.Second)
	ack(t, live, busy)
	await(t, "all to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	dead.Close(ctx) // for its goroutines
}

// F12: a handler that takes much longer than MinIdle keeps its event, and
// what waits behind it in memory stays with the worker as well.
func TestSlowHandlerIsNotRobbed(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F12")
	server, admin := start(t)
	publish(t, publisher(t, admin), "1", "2")
	slow := worker(t, server.Client())
	first := expect(t, slow, "1")
	await(t, "the second to be read", func() bool { return pending(t, admin, stream) == 2 })
	other := worker(t, server.Client())
	none(t, other, 4*time.Second) // four times MinIdle
	ack(t, slow, first)
	second := expect(t, slow, "2")
	if first.Event.Attempt != 1 || second.Event.Attempt != 1 {
		t.Errorf("attempts %d and %d, want 1", first.Event.Attempt, second.Event.Attempt)
	}
	ack(t, slow, second)
	await(t, "both to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
}

// After an outage of Redis for longer than MinIdle, all entries look
// abandoned; still nobody is robbed of one.
func TestNobodyIsRobbedAfterAnOutage(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, admin := start(t)
	publish(t, publisher(t, admin), "1")
	minIdle := redisstream.MinIdle(8 * time.Second)
	quick := func(o *redis.Options) { o.ReadTimeout = 100 * time.Millisecond }
	proxy := redistest.NewProxy(t, server.Addr)
	busy := worker(t, redistest.NewClient(t, proxy.Addr, quick), minIdle)
	d := expect(t, busy, "1")
	var others []*redisstream.Transport
	for range 3 {
		w := worker(t, server.Client(quick), minIdle)
		none(t, w, 300*time.Millisecond) // it has begun
		others = append(others, w)
	}
	var wg sync.WaitGroup
	server.Pause()
	proxy.Down()
	for _, w := range others {
		wg.Go(func() { none(t, w, 10*time.Second) })
	}
	// real time: what is frozen is another process
	time.Sleep(3500 * time.Millisecond)
	server.Resume()
	// The entry looks as after an hour.
	if err := admin.Do(t.Context(), "XCLAIM", stream, group, busy.Consumer(), 0, d.Receipt, "IDLE", time.Hour.Milliseconds(), "JUSTID").Err(); err != nil {
		t.Error(err)
	}
	// real time: this worker is the last to be back
	time.Sleep(1200 * time.Millisecond)
	proxy.Pass()
	wg.Wait()
	ack(t, busy, d)
	await(t, "the event to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
}

// F4: what a worker had read, but not begun when it was frozen for longer
// than MinIdle, it does not begin afterwards.
func TestFrozenWorker(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F4")
	server, admin := start(t)
	publish(t, publisher(t, admin), "1", "2")
	proxy := redistest.NewProxy(t, server.Addr)
	frozen := worker(t, redistest.NewClient(t, proxy.Addr, func(o *redis.Options) { o.ReadTimeout = 100 * time.Millisecond }))
	begun := expect(t, frozen, "1")
	await(t, "the second to be read", func() bool { return pending(t, admin, stream) == 2 })
	proxy.BlackHole()
	other := worker(t, server.Client())
	var taken []*eds.Delivery
	for _, id := range []string{"1", "2"} {
		d := expect(t, other, id)
		if d.Event.Attempt != 2 {
			t.Errorf("event %s: attempt %d, want 2: a fencing number", id, d.Event.Attempt)
		}
		taken = append(taken, d)
	}
	none(t, frozen, time.Second)
	proxy.Pass()
	none(t, frozen, time.Second)
	if err := frozen.Nack(t.Context(), begun); err != nil { // it failed here, and goes on elsewhere
		t.Error(err)
	}
	none(t, frozen, 2*time.Second)
	for _, d := range taken {
		p := admin.XPendingExt(t.Context(), &redis.XPendingExtArgs{Stream: stream, Group: group, Start: d.Receipt, End: d.Receipt, Count: 1}).Val()
		if len(p) != 1 || p[0].Consumer != other.Consumer() {
			t.Errorf("event %s is pending as %+v, want %s to have it still", d.Event.ID, p, other.Consumer())
		}
		ack(t, other, d)
	}
	await(t, "both to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
}

// A reply that is lost does not lose the entries that it brought.
func TestLostReplyToARead(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, admin := start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	w := worker(t, redistest.NewClient(t, proxy.Addr), redisstream.MinIdle(time.Minute))
	none(t, w, 200*time.Millisecond)
	pub := publisher(t, admin)
	for i := range 5 {
		id := fmt.Sprint(i)
		proxy.CutReplies(1)
		publish(t, pub, id)
		d := expect(t, w, id)
		if d.Event.Attempt != 1 {
			t.Errorf("attempt %d, want 1: nobody has seen it", d.Event.Attempt)
		}
		ack(t, w, d)
	}
	if proxy.Lost() == 0 {
		t.Error("no reply was lost")
	}
	await(t, "all to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
}

// An event that ends its worker, or is given back, each time comes to an end.
func TestTooManyAttempts(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, admin := start(t)
	publish(t, publisher(t, admin), "1")
	w := worker(t, server.Client(), redisstream.MaxAttempts(3))
	for attempt := 1; attempt <= 3; attempt++ {
		d := expect(t, w, "1")
		if d.Err != nil || d.Event.Attempt != attempt {
			t.Fatalf("attempt %d with Err %v, want %d", d.Event.Attempt, d.Err, attempt)
		}
		if err := w.Nack(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	d := expect(t, w, "1")
	if !errors.Is(d.Err, redisstream.ErrAttempts) || string(d.Event.Payload) != `{"id":"1"}` || d.Event.Type != "SAMPLE" {
		t.Errorf("%+v, want ErrAttempts and the event whole", d)
	}
	if err := w.Nack(t.Context(), d); err != nil { // the dead letter could not be stored
		t.Fatal(err)
	}
	d = expect(t, w, "1")
	if !errors.Is(d.Err, redisstream.ErrAttempts) {
		t.Errorf("%+v, want ErrAttempts again", d)
	}
	ack(t, w, d)
	await(t, "it to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
}

func TestDelay(t *testing.T) {
	w := redisstream.New(nil, stream, group, redisstream.MinIdle(30*time.Second))
	for attempt, seconds := range map[int]int{0: 1, 1: 1, 2: 2, 5: 16, 6: 30, 1 << 40: 30} {
		want := time.Duration(seconds) * time.Second
		if got := w.Delay(attempt); got != want {
			t.Errorf("pause after attempt %d is %v, want %v", attempt, got, want)
		}
	}
}

// An event that was given back comes to any worker.
func TestNackReachesOthers(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, admin := start(t)
	publish(t, publisher(t, admin), "1")
	a := worker(t, server.Client())
	d := expect(t, a, "1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Receive(ctx); err == nil { // a is to receive no more
		t.Fatal("received with an ended context")
	}
	if err := a.Nack(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	b := worker(t, server.Client())
	ack(t, b, expect(t, b, "1"))
	if err := a.Ack(t.Context(), d); !errors.Is(err, eds.ErrReceiptLost) {
		t.Errorf("Ack after Nack: %v, want ErrReceiptLost", err)
	}
}

// What was read and never begun goes back uncounted, at once, when its worker
// ends, or receives no more.
func TestUnbegunGoesBack(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, admin := start(t)
	publish(t, publisher(t, admin), "1", "2", "3")
	for name, end := range map[string]func(*redisstream.Transport, context.CancelFunc){
		"close": func(w *redisstream.Transport, _ context.CancelFunc) { closeNow(t, w) },
		"pause": func(w *redisstream.Transport, cancel context.CancelFunc) {
			cancel()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := w.Receive(ctx); err == nil {
				t.Error("received with an ended context")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := redisstream.New(server.Client(), stream, group, soon(redisstream.MinIdle(time.Minute))...)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			first, err := w.Receive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			await(t, "the others to be read", func() bool { return pending(t, admin, stream) == 3 })
			end(w, cancel)
			next := worker(t, server.Client(), redisstream.MinIdle(time.Minute))
			for _, id := range []string{"2", "3"} {
				d := expect(t, next, id)
				if d.Event.Attempt != 1 {
					t.Errorf("event %s: attempt %d, want 1", id, d.Event.Attempt)
				}
				if err := next.Nack(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			_ = w.Nack(t.Context(), first)
			closeNow(t, next)
			closeNow(t, w)
			server.Wipe()
			publish(t, publisher(t, admin), "1", "2", "3")
		})
	}
}

// F14: a group that vanishes is made anew, from the first entry on; entries
// in work are not handed out a second time.
func TestGroupVanishes(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F14")
	server, admin := start(t)
	pub := publisher(t, admin)
	w := worker(t, server.Client())
	publish(t, pub, "1", "2")
	one, two := expect(t, w, "1"), expect(t, w, "2")
	ack(t, w, one)
	await(t, "it to be acknowledged", func() bool { return pending(t, admin, stream) == 1 })
	if err := admin.XGroupDestroy(t.Context(), stream, group).Err(); err != nil {
		t.Fatal(err)
	}
	publish(t, pub, "3")
	ack(t, w, expect(t, w, "1")) // Redis has forgotten; a dedupe store has not
	ack(t, w, expect(t, w, "3"))
	ack(t, w, two)
	await(t, "all to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
	server.Wipe() // the stream as well
	publish(t, pub, "4")
	ack(t, w, expect(t, w, "4"))
}

// F11, F6: workers come and go, and their names with them; one with entries
// pending stays until they are taken over.
func TestNamesDoNotPileUp(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F11", "F6")
	server, admin := start(t)
	pub := publisher(t, admin)
	client := server.Client()
	var killed []*redisstream.Transport
	var handled sync.Map
	for i := range 50 {
		w := redisstream.New(client, stream, group, soon(redisstream.MinIdle(200*time.Millisecond))...)
		if i%10 == 0 { // dies with an entry
			c := server.Client()
			w = redisstream.New(c, stream, group, soon(redisstream.MinIdle(200*time.Millisecond))...)
			publish(t, pub, fmt.Sprint(i))
			receiveAny(t, w)
			c.Close()
			killed = append(killed, w)
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if d, err := w.Receive(ctx); err == nil {
			handled.Store(d.Event.ID, true)
			ack(t, w, d)
		}
		cancel()
		closeNow(t, w)
	}
	w := worker(t, client, redisstream.MinIdle(200*time.Millisecond))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			d, err := w.Receive(ctx)
			if err != nil {
				return
			}
			handled.Store(d.Event.ID, true)
			_ = w.Ack(t.Context(), d)
		}
	})
	await(t, "the names of the dead to go", func() bool {
		all, err := admin.XInfoConsumers(t.Context(), stream, group).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if c.Name != w.Consumer() && c.Name != "released" {
				return false
			}
		}
		return pending(t, admin, stream) == 0
	})
	cancel()
	wg.Wait()
	for i := 0; i < 50; i += 10 {
		if _, ok := handled.Load(fmt.Sprint(i)); !ok {
			t.Errorf("event %d of a worker that died was never handled", i)
		}
	}
	for _, w := range killed {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		w.Close(ctx)
		cancel()
	}
}

func receiveAny(tb testing.TB, w *redisstream.Transport) *eds.Delivery {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	d, err := w.Receive(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// What cannot be mended by trying again ends the Transport.
func TestRefusals(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "secret")
	good := server.Client(func(o *redis.Options) { o.Password = "secret" })
	if err := good.Set(t.Context(), "text", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := good.ACLSetUser(t.Context(), "reader", "on", ">pass", "~*", "+@read", "+@connection").Err(); err != nil {
		t.Fatal(err)
	}
	code := func(n int) func(error) bool {
		return func(err error) bool { e, ok := errors.AsType[*eds.AuthError](err); return ok && e.Code == n }
	}
	for name, c := range map[string]struct {
		client *redis.Client
		stream string
		want   func(error) bool
	}{
		"no password":  {server.Client(), stream, code(401)},
		"wrong":        {server.Client(func(o *redis.Options) { o.Password = "guess" }), stream, code(401)},
		"not allowed":  {server.Client(func(o *redis.Options) { o.Username, o.Password = "reader", "pass" }), stream, code(403)},
		"other type":   {good, "text", func(err error) bool { _, ok := errors.AsType[*eds.ConfigError](err); return ok }},
		"no setting":   {nil, stream, func(err error) bool { _, ok := errors.AsType[*eds.ConfigError](err); return ok }},
		"empty stream": {good, "", func(err error) bool { _, ok := errors.AsType[*eds.ConfigError](err); return ok }},
	} {
		t.Run(name, func(t *testing.T) {
			var client redis.UniversalClient
			if c.client != nil {
				client = c.client
			}
			w := redisstream.New(client, c.stream, group, soon()...)
			defer closeNow(t, w)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if _, err := w.Receive(ctx); !c.want(err) {
				t.Errorf("Receive: %v", err)
			}
			if s := w.Status(); c.client != nil && c.stream != "" && (s.State != eds.Refused || s.Err == nil) {
				t.Errorf("status %+v", s)
			}
		})
	}
}

// A Redis with its entries on disk may die at any time: nothing is lost, and
// the workers find back by themselves.
func TestRestartWithAOF(t *testing.T) {
	t.Parallel() // it waits most of the time
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	quick := func(o *redis.Options) { o.DialTimeout, o.ReadTimeout = time.Second, time.Second }
	pub := publisher(t, server.Client(quick), redisstream.SendTimeout(20*time.Second))
	const n = 2000
	count := newCounter(n)
	stop := runWorkers(t, 2, func() *redis.Client { return server.Client(quick) }, count)
	var wg sync.WaitGroup
	for lane := range 4 {
		wg.Go(func() {
			for i := lane; i < n; i += 4 {
				if err := pub.Handle(t.Context(), event(fmt.Sprint(i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 3 {
		await(t, "some events", func() bool { return count.events() > n*(i+1)/5 })
		server.Restart()
	}
	wg.Wait()
	count.wait(t)
	admin := server.Client(quick)
	await(t, "all to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
	stop()
	t.Logf("%d events, %d runs", n, count.runs())
}

// TestManyWorkers has four Apps share 10,000 events.
func TestManyWorkers(t *testing.T) {
	server, admin := start(t)
	const n = 10_000
	count := newCounter(n)
	stop := runWorkers(t, 4, func() *redis.Client { return server.Client() }, count)
	pub := publisher(t, server.Client())
	var wg sync.WaitGroup
	for lane := range 64 {
		wg.Go(func() {
			for i := lane; i < n; i += 64 {
				if err := pub.Handle(t.Context(), event(fmt.Sprint(i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	count.wait(t)
	await(t, "all to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
	stop()
	if runs := count.runs(); runs != n {
		t.Errorf("%d runs of %d events", runs, n)
	}
	for w, share := range count.shares() {
		if share < n/40 {
			t.Errorf("worker %d handled %d of %d events", w, share, n)
		}
	}
	acks, adds := calls(t, admin, "xack"), calls(t, admin, "xadd")
	if adds != n || acks > n/2 {
		t.Errorf("%d XADD and %d XACK for %d events, want acknowledgements to share commands", adds, acks, n)
	}
}

// What a worker has in memory is bounded, in number and in bytes.
func TestWindow(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, admin := start(t)
	pub := publisher(t, admin)
	for i := range 60 {
		e := event(fmt.Sprint(i))
		e.Payload = fmt.Appendf(nil, `"%0*d"`, 10_000, 0)
		if err := pub.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		opt  redisstream.WorkerOption
		most int64
	}{
		"number": {redisstream.Window(7, 1<<30), 7},
		"bytes":  {redisstream.Window(40, 100_000), 10 + 8}, // the first read cannot know
	} {
		t.Run(name, func(t *testing.T) {
			w := worker(t, server.Client(), c.opt)
			for range 50 {
				d := receiveAny(t, w)
				if n := pending(t, admin, stream); n > c.most {
					t.Fatalf("%d entries in memory, want at most %d", n, c.most)
				}
				ack(t, w, d)
			}
			if name == "bytes" {
				// Once the size of entries is known, it counts.
				if n := pending(t, admin, stream); n > 12 {
					t.Errorf("%d entries of 10 kB in memory, want at most 10", n)
				}
			}
			closeNow(t, w)
			if err := admin.XGroupDestroy(t.Context(), stream, group).Err(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A worker does not touch what another has taken over, though it still works
// on it.
func TestTakenOverIsLeftAlone(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, admin := start(t)
	publish(t, publisher(t, admin), "1")
	w := worker(t, server.Client(), redisstream.MinIdle(3*time.Second)) // touches once a second
	d := expect(t, w, "1")
	if err := admin.Do(t.Context(), "XCLAIM", stream, group, "other", 0, d.Receipt, "JUSTID").Err(); err != nil {
		t.Fatal(err)
	}
	await(t, "two seconds without a touch", func() bool {
		p := admin.XPendingExt(t.Context(), &redis.XPendingExtArgs{Stream: stream, Group: group, Start: "-", End: "+", Count: 1}).Val()
		if len(p) != 1 || p[0].Consumer != "other" {
			t.Fatalf("the entry is pending as %+v, want other to have it", p)
		}
		return p[0].Idle >= 2*time.Second
	})
	ack(t, w, d) // the work is done, whoever has it
	await(t, "it to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
}

// F6: the name of a worker that ends with an event in work stays, and with it
// the event, until another takes that over.
func TestCloseLeavesWhatIsInWork(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F6")
	server, admin := start(t)
	publish(t, publisher(t, admin), "1")
	w := redisstream.New(server.Client(), stream, group, soon()...)
	expect(t, w, "1")
	closeNow(t, w)
	if n := pending(t, admin, stream); n != 1 {
		t.Fatalf("%d entries pending, want the one in work", n)
	}
	next := worker(t, server.Client())
	ack(t, next, expect(t, next, "1"))
}
