package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// endpoint is the handler of all workers: an HTTP server that writes down
// which life of which worker began, did and ended what.
//
// A run goes on when its worker dies, as a request does that another system
// has taken: its effect may come after the crash.
type endpoint struct {
	url string // of the path below which each life of a worker has its own
	log *history.Log

	work time.Duration
	fail float64

	mu      sync.Mutex
	random  *rand.Rand
	runs    int
	gone    map[string]bool // lives that have ended
	handled map[string]bool
	changed chan struct{} // closed at the next first effect
	server  *http.Server
	serving sync.WaitGroup
}

func newEndpoint(o options, log *history.Log) (*endpoint, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &endpoint{
		url: "http://" + listener.Addr().String() + "/", log: log, work: o.Work, fail: o.Fail,
		random: rand.New(rand.NewPCG(o.Seed, 1)), gone: map[string]bool{}, handled: map[string]bool{},
		changed: make(chan struct{}),
	}
	e.server = &http.Server{Handler: e, ReadHeaderTimeout: time.Minute}
	e.serving.Go(func() { _ = e.server.Serve(listener) })
	return e, nil
}

func (e *endpoint) close() {
	e.server.Close()
	e.serving.Wait()
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	life, id := strings.TrimPrefix(r.URL.Path, "/"), r.Header.Get("Ce-Id")
	_, _ = io.Copy(io.Discard, r.Body)
	token, took, fails := e.begin(life, id)
	if token == "" {
		http.Error(w, "you are dead", http.StatusGone)
		return
	}
	timer := time.NewTimer(took)
	defer timer.Stop()
	<-timer.C // whether or not somebody still waits for the answer

	run := history.Entry{Actor: life, Queue: queueName, Event: id, Token: token}
	if fails {
		run.Op, run.Result = history.End, "failed"
		e.log.Record(run)
		http.Error(w, "not today", http.StatusServiceUnavailable)
		return
	}
	e.mu.Lock()
	run.Op = history.Effect
	e.log.Record(run)
	run.Op, run.Result = history.End, history.OK
	e.log.Record(run)
	if !e.handled[id] {
		e.handled[id] = true
		close(e.changed)
		e.changed = make(chan struct{})
	}
	e.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// begin notes a run, unless its worker is dead: a request that it left in a
// buffer of the kernel counts as never sent.
func (e *endpoint) begin(life, id string) (token string, took time.Duration, fails bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone[life] || id == "" {
		return "", 0, false
	}
	e.runs++
	token = fmt.Sprint("run-", e.runs)
	e.log.Record(history.Entry{Actor: life, Op: history.Start, Queue: queueName, Event: id, Token: token})
	if e.work > 0 {
		took = time.Duration(e.random.Int64N(2 * int64(e.work)))
	}
	return token, took, e.random.Float64() < e.fail
}

// ended notes that a life is over; op is how.
func (e *endpoint) ended(life string, op history.Op, result string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone[life] = true
	e.log.Record(history.Entry{Actor: life, Op: op, Result: result})
}

// done returns how many events were handled, and a channel that is closed
// when it is one more.
func (e *endpoint) done() (int, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.handled), e.changed
}
