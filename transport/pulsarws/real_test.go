package pulsarws_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe/lru"
	"github.com/eventdelivery/eds-go/dedupe/redisstore"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/pulsarserver"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/cursor"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

// patience bounds the wait for what must happen on the broker.
const patience = time.Minute

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("it took too long"))
	t.Cleanup(cancel)
	return ctx
}

// publishAll publishes n events, many at a time; those of one key in order.
func publishAll(t testing.TB, url, topic string, n, keys int) {
	t.Helper()
	pub := publisher(t, url, topic)
	var wg sync.WaitGroup
	for k := range keys {
		wg.Go(func() {
			for i := k; i < n; i += keys {
				e := eds.Event{ID: strconv.Itoa(i), Type: "T", Payload: []byte(strconv.Itoa(i)), Attributes: map[string]string{"partitionkey": strconv.Itoa(k)}}
				if err := pub.Handle(within(t), &e); err != nil {
					t.Errorf("publish %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// worker runs an App over tr until the function that it returns is called.
func worker(t testing.TB, tr eds.Transport, handle eds.Handler, use ...eds.Middleware) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	app := eds.New(tr, eds.Concurrency(8), eds.OrderBy(pulsarws.Key), eds.Logger(quiet))
	app.Use(use...)
	app.Handle("*", handle)
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// tally counts what handlers saw, and tells when all was seen.
type tally struct {
	mu   sync.Mutex
	runs map[string]int
	want int
	all  chan struct{}
}

func newTally(want int) *tally {
	return &tally{runs: map[string]int{}, want: want, all: make(chan struct{})}
}

func (c *tally) saw(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs[id]++
	if c.runs[id] == 1 && len(c.runs) == c.want {
		close(c.all)
	}
}

func (c *tally) count(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runs[id]
}

func (c *tally) wait(t testing.TB) {
	t.Helper()
	select {
	case <-c.all:
	case <-within(t).Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		t.Fatalf("%d of %d events were handled", len(c.runs), c.want)
	}
}

// once checks that every event was handled, and none twice.
func (c *tally) once(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, n := range c.runs {
		if n != 1 {
			t.Errorf("event %s was handled %d times", id, n)
		}
	}
	if len(c.runs) != c.want {
		t.Errorf("%d of %d events were handled", len(c.runs), c.want)
	}
}

// Of 10,000 events a twentieth is published twice, and each of the workers
// loses its connection twice, with as much in work and on its way as there is
// then: what comes again over that, mostly to other workers, is a duplicate.
// All told by one Redis, each event is handled once.
func TestRealPulsarSharedOverFourWorkers(t *testing.T) {
	const n, twice, workers = 10_000, 500, 4
	srv, store := pulsarserver.Shared(t), redistest.Start(t)
	topic := srv.Topic()
	srv.CreateTopic(topic)
	srv.Subscribe(topic, testSub, "earliest")
	handled := newTally(n)
	var again struct {
		sync.Mutex
		published, redelivered int
	}
	// duplicates is outside of Dedupe and counts what that found.
	duplicates := func(next eds.Handler) eds.Handler {
		return func(ctx context.Context, e *eds.Event) error {
			err := next(ctx, e)
			if i, _ := strconv.Atoi(e.ID); errors.Is(err, eds.ErrDuplicate) {
				again.Lock()
				defer again.Unlock()
				if i < twice {
					again.published++
				} else {
					again.redelivered++
				}
			}
			return err
		}
	}
	var share [workers]struct {
		sync.Mutex
		n    int
		line line
	}
	var consumers [workers]*pulsarws.Consumer
	var stops []func()
	for w := range workers {
		client := redis.NewClient(&redis.Options{Addr: store.Addr})
		t.Cleanup(func() { client.Close() })
		shared, err := redisstore.New(client)
		if err != nil {
			t.Fatal(err)
		}
		consumers[w] = pulsarws.NewConsumer(srv.URL, topic, testSub, pulsarws.Subscribe(pulsarws.Shared), pulsarws.Logger(quiet),
			pulsarws.DialContext(share[w].line.dial), pulsarws.Backoff(10*time.Millisecond, 100*time.Millisecond))
		stops = append(stops, worker(t, consumers[w],
			func(_ context.Context, e *eds.Event) error {
				handled.saw(e.ID)
				mine := &share[w]
				mine.Lock()
				defer mine.Unlock()
				mine.n++
				if mine.n == n/workers/8 || mine.n == n/workers/4 {
					mine.line.cut()
				}
				return nil
			}, duplicates, middleware.Dedupe(shared)))
	}
	publishAll(t, srv.URL, topic, n, 64)
	publishAll(t, srv.URL, topic, twice, 64)
	handled.wait(t)
	noBacklog(t, srv, topic)
	for _, stop := range stops {
		stop()
	}
	handled.once(t)
	for w := range share {
		if share[w].n < n/workers/4 {
			t.Errorf("worker %d handled %d of %d", w, share[w].n, n)
		}
		if made := consumers[w].Status().Connects; made < 3 {
			t.Errorf("worker %d made %d connections, with two that were cut", w, made)
		}
	}
	if again.published == 0 || again.redelivered == 0 {
		t.Errorf("nothing was proven: of what was published twice %d were duplicates, of what came again over a cut %d",
			again.published, again.redelivered)
	}
	t.Logf("duplicates: %d of what was published twice, %d of what came again over a cut", again.published, again.redelivered)
}

// noBacklog waits until the broker knows that all is acknowledged.
func noBacklog(t testing.TB, srv *pulsarserver.Server, topic string) {
	t.Helper()
	f := realFar{srv: srv, topic: topic}
	if err := f.waitAcked(within(t), topic); err != nil {
		t.Errorf("%v: %+v", err, srv.Stats(topic))
	}
}

func TestRealPulsarKeySharedKeepsOrder(t *testing.T) {
	const n, keys, workers = 2_000, 20, 3
	srv := pulsarserver.Shared(t)
	topic := srv.Topic()
	srv.CreateTopic(topic)
	srv.Subscribe(topic, testSub, "earliest")
	handled := newTally(n)
	var mu sync.Mutex
	last := map[string]int{}
	var stops []func()
	for range workers {
		tr := pulsarws.NewConsumer(srv.URL, topic, testSub, pulsarws.Subscribe(pulsarws.KeyShared), pulsarws.Logger(quiet))
		stops = append(stops, worker(t, tr, func(_ context.Context, e *eds.Event) error {
			i, err := strconv.Atoi(e.ID)
			if err != nil {
				return err
			}
			mu.Lock()
			if before, ok := last[pulsarws.Key(e)]; ok && before >= i {
				t.Errorf("key %s: %d after %d", pulsarws.Key(e), i, before)
			}
			last[pulsarws.Key(e)] = i
			mu.Unlock()
			handled.saw(e.ID)
			return nil
		}))
	}
	publishAll(t, srv.URL, topic, n, keys)
	handled.wait(t)
	for _, stop := range stops {
		stop()
	}
	handled.once(t)
}

func TestRealPulsarReaderGoesOnPastItsWindow(t *testing.T) {
	const n = 50
	srv := pulsarserver.Shared(t)
	topic := srv.Topic()
	publishAll(t, srv.URL, topic, n, 1)
	tr := pulsarws.NewReader(srv.URL, topic, pulsarws.From(pulsarws.Earliest), pulsarws.ReceiverQueueSize(5), pulsarws.Logger(quiet))
	handled := newTally(n)
	worker(t, tr, func(_ context.Context, e *eds.Event) error { handled.saw(e.ID); return nil })
	handled.wait(t)
	handled.once(t)
}

// A consumer that is killed loses nothing of what it had not settled, and what
// it had acknowledged does not come again.
func TestRealPulsarConsumerKilled(t *testing.T) {
	const n = 100
	srv := pulsarserver.Shared(t)
	topic := srv.Topic()
	publishAll(t, srv.URL, topic, n, 1)
	var network line
	consumer := func(opts ...pulsarws.ConsumerOption) *pulsarws.Consumer {
		return pulsarws.NewConsumer(srv.URL, topic, testSub, append(opts, pulsarws.FromEarliest(), pulsarws.Logger(quiet),
			pulsarws.Backoff(10*time.Millisecond, 100*time.Millisecond))...)
	}
	killed := consumer(pulsarws.DialContext(network.dial))
	var acked []string
	for i := range n / 2 {
		d, err := killed.Receive(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if err := killed.Ack(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			acked = append(acked, d.Event.ID)
		}
	}
	f := realFar{srv: srv, topic: topic}
	for f.srv.Stats(topic).Subscriptions[testSub].Backlog > n-len(acked) {
		time.Sleep(50 * time.Millisecond) // real time: the broker tells nobody when an acknowledgement has come
	}
	network.cut()
	killed.Close(t.Context())

	handled := newTally(n - len(acked))
	worker(t, consumer(), func(_ context.Context, e *eds.Event) error { handled.saw(e.ID); return nil })
	handled.wait(t)
	handled.once(t)
	for _, id := range acked {
		if handled.runs[id] > 0 {
			t.Errorf("event %s came again after its acknowledgement", id)
		}
	}
	noBacklog(t, srv, topic)
}

func TestRealPulsarNackComesBackAfterItsDelay(t *testing.T) {
	const delay = 2 * time.Second
	srv := pulsarserver.Shared(t)
	topic := srv.Topic()
	publishAll(t, srv.URL, topic, 1, 1)
	c := pulsarws.NewConsumer(srv.URL, topic, testSub, pulsarws.Subscribe(pulsarws.Shared), pulsarws.FromEarliest(),
		pulsarws.NackDelay(delay), pulsarws.Logger(quiet))
	defer c.Close(t.Context())
	first, err := c.Receive(within(t))
	if err != nil {
		t.Fatal(err)
	}
	nacked := time.Now()
	if err := c.Nack(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	again, err := c.Receive(within(t))
	if err != nil {
		t.Fatal(err)
	}
	// Pulsar counts in steps of 2^8 ms, which it may be early.
	if took := time.Since(nacked); took < delay-300*time.Millisecond {
		t.Errorf("came back after %v, want %v", took, delay)
	}
	if first.Receipt != again.Receipt || first.Event.Attempt != 1 || again.Event.Attempt != 2 {
		t.Errorf("receipts %s and %s, attempts %d and %d", first.Receipt, again.Receipt, first.Event.Attempt, again.Event.Attempt)
	}
	if err := c.Ack(t.Context(), again); err != nil {
		t.Fatal(err)
	}
}

// Pulsar is stopped and started again, and then killed and started again,
// while events flow to a consumer and to a reader. When it stops in good order
// it sends a close frame without a status, when it is killed none.
func TestRealPulsarRestartsInMidStream(t *testing.T) {
	const n = 1_500
	srv := pulsarserver.Start(t)
	topic := srv.Topic()
	backoff := pulsarws.Backoff(50*time.Millisecond, time.Second)
	consumed, read := newTally(n), newTally(n)
	passed := map[string]chan struct{}{strconv.Itoa(n / 3): make(chan struct{}), strconv.Itoa(2 * n / 3): make(chan struct{})}
	worker(t, pulsarws.NewConsumer(srv.URL, topic, testSub, pulsarws.FromEarliest(), backoff, pulsarws.Logger(quiet)),
		func(_ context.Context, e *eds.Event) error {
			consumed.saw(e.ID)
			if c := passed[e.ID]; c != nil && consumed.count(e.ID) == 1 {
				close(c)
			}
			return nil
		})
	restarted := pulsarws.NewReader(srv.URL, topic, pulsarws.From(pulsarws.Earliest), backoff, pulsarws.Cursor(cursor.NewMemory(), "r"), pulsarws.Logger(quiet))
	worker(t, restarted, func(_ context.Context, e *eds.Event) error { read.saw(e.ID); return nil })

	pub := publisher(t, srv.URL, topic, backoff, pulsarws.SendTimeout(patience))
	published := make(chan error, 1)
	go func() {
		for i := range n {
			e := eds.Event{ID: strconv.Itoa(i), Type: "T", Payload: []byte("1")}
			if err := pub.Handle(t.Context(), &e); err != nil {
				published <- fmt.Errorf("publish %d: %w", i, err)
				return
			}
		}
		published <- nil
	}()
	for i, end := range []struct {
		how    func()
		status websocket.StatusCode
	}{{srv.Stop, websocket.StatusNoStatusRcvd}, {srv.Kill, -1}} {
		select {
		case <-passed[strconv.Itoa((i+1)*n/3)]:
		case <-within(t).Done():
			t.Fatalf("event %d was not handled", (i+1)*n/3)
		}
		idle := (&place{t: t, url: srv.URL, dial: new(net.Dialer).DialContext}).open(reader(topic))
		end.how()
		if code := idle.ended(); code != end.status {
			t.Errorf("closed with %d, want %d", code, end.status)
		}
		srv.Restart()
	}
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	consumed.wait(t)
	read.wait(t)
	if st := restarted.Stats(); st.Missing != 0 || st.JumpsBack != 0 {
		t.Errorf("the reader says %+v", st)
	}
}

// Each status with which the broker refuses becomes what it means.
func TestRealPulsarRefuses(t *testing.T) {
	srv := pulsarserver.Shared(t)
	closed := srv.Namespace()
	srv.AutoCreate(closed, false)
	topic := srv.Topic()
	publishAll(t, srv.URL, topic, 1, 1)
	hold := pulsarws.NewConsumer(srv.URL, topic, "taken", pulsarws.FromEarliest(), pulsarws.Logger(quiet))
	if _, err := hold.Receive(within(t)); err != nil {
		t.Fatal(err)
	}
	defer hold.Close(t.Context())

	transient := func(tr eds.Transport, state eds.State, text string) func(t *testing.T) {
		return func(t *testing.T) {
			defer tr.Close(t.Context())
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if _, err := tr.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Receive = %v", err)
			}
			st := tr.(eds.StatusReporter).Status()
			if st.State != state || st.Err == nil || !strings.Contains(st.Err.Error(), text) {
				t.Errorf("status %+v, want %v and an error with %s", st, state, text)
			}
		}
	}
	final := func(tr eds.Transport, text string) func(t *testing.T) {
		return func(t *testing.T) {
			defer tr.Close(t.Context())
			_, err := tr.Receive(within(t))
			if ce, ok := errors.AsType[*eds.ConfigError](err); !ok || !strings.Contains(ce.Reason, text) {
				t.Errorf("Receive = %v, want a ConfigError with %s", err, text)
			}
		}
	}
	log, backoff := pulsarws.Logger(quiet), pulsarws.Backoff(10*time.Millisecond, 50*time.Millisecond)
	t.Run("consumer of no topic", final(pulsarws.NewConsumer(srv.URL, closed+"/none", "s", log), "404"))
	t.Run("consumer of a wrong parameter", final(pulsarws.NewConsumer(srv.URL+"?subscriptionMode=Neither", topic, "s", log), "400"))
	t.Run("consumer of a taken subscription", transient(pulsarws.NewConsumer(srv.URL, topic, "taken", log), eds.Standby, "409"))
	t.Run("consumer of another type", transient(pulsarws.NewConsumer(srv.URL, topic, "taken", log, pulsarws.Subscribe(pulsarws.Shared), backoff), eds.Connecting, "409, since the subscription is not of the type Shared"))
	t.Run("reader of no topic", transient(pulsarws.NewReader(srv.URL, closed+"/none", log, backoff), eds.Connecting, "500"))
	t.Run("reader from no position", func(t *testing.T) {
		// Base64, and no message id: the broker says 500, as to anything.
		tr := pulsarws.NewReader(srv.URL, topic, log, backoff, pulsarws.From(pulsarws.After("AAAA")))
		defer tr.Close(t.Context())
		_, err := tr.Receive(within(t))
		if ce, ok := errors.AsType[*eds.ConfigError](err); !ok || ce.Setting != "position" {
			t.Errorf("Receive = %v, want a ConfigError about the position", err)
		}
	})
	t.Run("producer of a taken name", func(t *testing.T) {
		first := publisher(t, srv.URL, topic, pulsarws.ProducerName("p"))
		if err := first.Handle(within(t), &eds.Event{ID: "1", Type: "T"}); err != nil {
			t.Fatal(err)
		}
		second := publisher(t, srv.URL, topic, pulsarws.ProducerName("p"), pulsarws.SendTimeout(time.Second))
		if err := second.Handle(within(t), &eds.Event{ID: "1", Type: "T"}); err == nil || second.Status().State != eds.Standby {
			t.Errorf("Handle = %v, status %+v", err, second.Status())
		}
	})
}

func TestRealPulsarTokens(t *testing.T) {
	srv := pulsarserver.Start(t, pulsarserver.WithTokens())
	topic := srv.Topic()
	srv.Grant("public/default", "reader", "consume", "produce")
	good, other := srv.Token("reader", time.Hour), srv.Token("stranger", time.Hour)
	// In a broker credentials are looked at before parameters.
	p := &place{t: t, url: srv.URL, dial: new(net.Dialer).DialContext}
	for _, path := range []string{consumer(topic, "s", "subscriptionType", "None"), reader(topic, "receiverQueueSize", "-1")} {
		if status := p.refused(path); status != http.StatusUnauthorized {
			t.Errorf("wrong parameters without a token: %d", status)
		}
	}
	for name, c := range map[string]struct {
		opts []pulsarws.ConsumerOption
		code int // 0 for none
	}{
		"none":         {nil, http.StatusUnauthorized},
		"wrong":        {[]pulsarws.ConsumerOption{pulsarws.Token("no.such.token")}, http.StatusUnauthorized},
		"not allowed":  {[]pulsarws.ConsumerOption{pulsarws.Token(other)}, http.StatusForbidden},
		"in header":    {[]pulsarws.ConsumerOption{pulsarws.Token(good)}, 0},
		"in query":     {[]pulsarws.ConsumerOption{pulsarws.Token(good), pulsarws.SecretInQuery("token")}, 0},
		"by its name":  {[]pulsarws.ConsumerOption{pulsarws.Token(good), pulsarws.AuthMethod("token")}, 0},
		"rotated once": {[]pulsarws.ConsumerOption{pulsarws.TokenFunc(rotating("no.such.token", good))}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tr := pulsarws.NewConsumer(srv.URL, topic, strings.ReplaceAll(name, " ", "-"), append(c.opts, pulsarws.FromEarliest(), pulsarws.Logger(quiet))...)
			defer tr.Close(context.Background())
			if c.code != 0 {
				_, err := tr.Receive(within(t))
				if ae, ok := errors.AsType[*eds.AuthError](err); !ok || ae.Code != c.code {
					t.Errorf("Receive = %v, want %d", err, c.code)
				}
				return
			}
			pub := publisher(t, srv.URL, topic, pulsarws.Token(good))
			if err := pub.Handle(within(t), &eds.Event{ID: name, Type: "T"}); err != nil {
				t.Fatal(err)
			}
			if _, err := tr.Receive(within(t)); err != nil {
				t.Errorf("Receive = %v", err)
			}
		})
	}
}

func rotating(keys ...string) func(context.Context) (string, error) {
	n := 0
	return func(context.Context) (string, error) {
		n++
		return keys[min(n, len(keys))-1], nil
	}
}

// A reader that began with the latest message goes on behind it, also when
// that one was not settled before the connection was lost.
func TestRealPulsarReaderFromLatest(t *testing.T) {
	srv := pulsarserver.Shared(t)
	topic := srv.Topic()
	publishAll(t, srv.URL, topic, 3, 1)
	var network line
	store := cursor.NewMemory()
	read := func() *pulsarws.Reader {
		return pulsarws.NewReader(srv.URL, topic, pulsarws.Cursor(store, "r"), pulsarws.DialContext(network.dial),
			pulsarws.Backoff(10*time.Millisecond, 100*time.Millisecond), pulsarws.Logger(quiet))
	}
	pub := publisher(t, srv.URL, topic)
	publish := func(ids ...string) {
		for _, id := range ids {
			if err := pub.Handle(within(t), &eds.Event{ID: id, Type: "T", Payload: []byte("1")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	take := func(r *pulsarws.Reader, want string) *eds.Delivery {
		t.Helper()
		d, err := r.Receive(within(t))
		if err != nil || d.Event.ID != want {
			t.Fatalf("Receive = %+v, %v, want %s", d, err, want)
		}
		return d
	}
	r := read()
	early, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if d, err := r.Receive(early); err == nil {
		t.Fatalf("%s came before anything was published", d.Event.ID)
	}
	publish("a", "b")
	take(r, "a")
	network.cut()
	publish("c")
	for _, id := range []string{"a", "b", "c"} {
		d := take(r, id)
		if id != "a" {
			continue
		}
		if err := r.Ack(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r = read()
	defer r.Close(t.Context())
	take(r, "b")
	take(r, "c")
	if st := r.Stats(); st != (pulsarws.Stats{}) {
		t.Errorf("stats %+v", st)
	}
}

// The place before the first message is behind all of the batch before it.
func TestRealPulsarReaderFromLatestAfterABatch(t *testing.T) {
	srv := pulsarserver.Shared(t)
	topic, store := srv.Topic(), cursor.NewMemory()
	batch := func() {
		pub := publisher(t, srv.URL, topic, pulsarws.Batching(5, time.Minute))
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() {
				if err := pub.Handle(within(t), &eds.Event{ID: strconv.Itoa(i), Type: "T"}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	batch()
	read := func() *pulsarws.Reader {
		return pulsarws.NewReader(srv.URL, topic, pulsarws.Cursor(store, "r"), pulsarws.Logger(quiet))
	}
	r := read()
	early, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if d, err := r.Receive(early); err == nil {
		t.Fatalf("%s came before anything was published", d.Receipt)
	}
	batch()
	first, err := r.Receive(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil { // saves the place before it
		t.Fatal(err)
	}
	r = read()
	defer r.Close(t.Context())
	if d, err := r.Receive(within(t)); err != nil || d.Receipt != first.Receipt {
		t.Errorf("Receive = %+v, %v, want %s", d, err, first.Receipt)
	}
}

// All messages of a non-persistent topic have one id, and are events of their
// own all the same.
func TestRealPulsarNonPersistent(t *testing.T) {
	const n = 10
	srv := pulsarserver.Shared(t)
	topic := "non-persistent://" + srv.Topic()
	store, err := lru.New()
	if err != nil {
		t.Fatal(err)
	}
	tr := pulsarws.NewConsumer(srv.URL, topic, testSub, pulsarws.Logger(quiet), pulsarws.Map(func(m *pulsarws.Message, e *eds.Event) error {
		if m.ID != "CAAQADAA" {
			t.Errorf("id %s", m.ID)
		}
		e.Type = "T" // and no id of the producer's
		return nil
	}))
	handled, overlap := newTally(n), make(chan struct{})
	worker(t, tr, func(_ context.Context, e *eds.Event) error {
		handled.saw(string(e.Payload))
		<-overlap
		return nil
	}, middleware.Dedupe(store))
	for tr.Status().State != eds.Connected {
		time.Sleep(10 * time.Millisecond) // real time: what comes before there is a subscription is lost
	}
	publishAll(t, srv.URL, topic, n, 1)
	close(overlap)
	handled.wait(t)
	handled.once(t)
}

// A topic that was trimmed while the reader was away, and one whose ledgers
// changed, are told apart.
func TestRealPulsarReaderOverLedgers(t *testing.T) {
	srv := pulsarserver.Shared(t)
	topic := srv.Topic()
	r := pulsarws.NewReader(srv.URL, topic, pulsarws.From(pulsarws.Earliest), pulsarws.Logger(quiet))
	defer r.Close(t.Context())
	seen := map[string]bool{}
	for round := range 3 {
		publishAll(t, srv.URL, topic, 4, 1)
		for range 4 {
			d, err := r.Receive(within(t))
			if err != nil {
				t.Fatal(err)
			}
			seen[fmt.Sprint(round, "/", d.Event.ID)] = true
			if err := r.Ack(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		srv.Unload(topic)
	}
	if len(seen) != 12 {
		t.Errorf("read %v", slices.Sorted(maps.Keys(seen)))
	}
	if st := r.Stats(); st != (pulsarws.Stats{}) {
		t.Errorf("stats %+v", st)
	}
}

// A reader that comes back when the topic has dropped what it had read, and
// more, goes on with what there is, and says that something may be missing.
// Pulsar itself says nothing.
func TestRealPulsarReaderOverTrimmedLedgers(t *testing.T) {
	srv := pulsarserver.Shared(t)
	namespace := srv.Namespace()
	topic := namespace + "/t"
	store := cursor.NewMemory()
	read := func(want ...string) *pulsarws.Reader {
		t.Helper()
		r := pulsarws.NewReader(srv.URL, topic, pulsarws.From(pulsarws.Earliest), pulsarws.Cursor(store, "r"), pulsarws.Logger(quiet))
		for _, id := range want {
			d, err := r.Receive(within(t))
			if err != nil || d.Event.ID != id {
				t.Fatalf("Receive = %+v, %v, want %s", d, err, id)
			}
			if err := r.Ack(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		return r
	}
	pub := publisher(t, srv.URL, topic)
	publish := func(ids ...string) {
		for _, id := range ids {
			if err := pub.Handle(within(t), &eds.Event{ID: id, Type: "T", Payload: []byte("1")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish("a", "b")
	if err := read("a").Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv.Unload(topic)
	publish("c")
	srv.Retain(namespace, 0, 0)
	srv.Trim(topic)
	// real time: the broker trims when it likes
	for first := ""; first != "c"; time.Sleep(100 * time.Millisecond) {
		probe := pulsarws.NewReader(srv.URL, topic, pulsarws.From(pulsarws.Earliest), pulsarws.Logger(quiet))
		d, err := probe.Receive(within(t))
		if err != nil {
			t.Fatal(err)
		}
		first = d.Event.ID
		probe.Close(t.Context())
	}
	r := read("c")
	defer r.Close(t.Context())
	for r.Stats().Gaps == 0 {
		time.Sleep(10 * time.Millisecond) // real time: it is asked for beside the stream
		if within(t).Err() != nil {
			t.Fatal("no gap was noted")
		}
	}
	if st := r.Status(); st.Gaps != 1 {
		t.Errorf("status %+v", st)
	}
}
