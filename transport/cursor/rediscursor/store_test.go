package rediscursor_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/cursor/rediscursor"
)

const name = "persistent://acme/events/all"

func save(tb testing.TB, s *rediscursor.Store, position string) {
	tb.Helper()
	if err := s.Save(context.Background(), name, position); err != nil {
		tb.Fatal(err)
	}
}

func load(tb testing.TB, s *rediscursor.Store, want string) {
	tb.Helper()
	if got, err := s.Load(context.Background(), name); err != nil || got != want {
		tb.Fatalf("loaded %q, %v; want %q", got, err, want)
	}
}

func TestKeys(t *testing.T) {
	client := redistest.Start(t).Client()
	save(t, open(t, client), "a")
	save(t, open(t, client, nil, rediscursor.Prefix("acme:")), "b")
	for key, want := range map[string]string{"eds:cursor:" + name: "a", "acme:" + name: "b"} {
		if got := client.Get(t.Context(), key).Val(); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
		if ttl := client.TTL(t.Context(), key).Val(); ttl != -1 {
			t.Errorf("%s lives for %v, want for ever", key, ttl)
		}
	}
	if n := client.DBSize(t.Context()).Val(); n != 2 {
		t.Errorf("%d keys, want 2", n)
	}
	// What somebody else let expire is kept after the next save.
	client.Expire(t.Context(), "eds:cursor:"+name, time.Hour)
	save(t, open(t, client), "c")
	if ttl := client.TTL(t.Context(), "eds:cursor:"+name).Val(); ttl != -1 {
		t.Errorf("lives for %v after a save, want for ever", ttl)
	}
}

func TestSettings(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	defer client.Close()
	for want, made := range map[string]func() (*rediscursor.Store, error){
		"client": func() (*rediscursor.Store, error) { return rediscursor.New(nil) },
		"Budget": func() (*rediscursor.Store, error) { return rediscursor.New(client, rediscursor.Budget(0)) },
	} {
		s, err := made()
		wrong, ok := errors.AsType[*eds.ConfigError](err)
		if s != nil || !ok || !strings.Contains(wrong.Setting, want) {
			t.Errorf("%v, %v; want a ConfigError of %s", s, err, want)
		}
	}
}

// A key that holds something else is neither a position nor none.
func TestForeignKeys(t *testing.T) {
	client := redistest.Start(t).Client()
	s := open(t, client)
	for why, set := range map[string]func(key string) error{
		"is not a string": func(key string) error { return client.LPush(t.Context(), key, "a").Err() },
		"is empty":        func(key string) error { return client.Set(t.Context(), key, "", 0).Err() },
	} {
		if err := errors.Join(client.FlushAll(t.Context()).Err(), set("eds:cursor:"+name)); err != nil {
			t.Fatal(err)
		}
		p, err := s.Load(t.Context(), name)
		wrong, ok := errors.AsType[*eds.ConfigError](err)
		if p != "" || !ok || wrong.Value != "eds:cursor:"+name || wrong.Reason != why {
			t.Errorf("loaded %q, %v; want a ConfigError: %s", p, err, why)
		}
	}
}

func TestServerKilled(t *testing.T) {
	server := redistest.Start(t, onDisk...)
	s := open(t, server.Client(func(o *redis.Options) { o.MaxRetries = 1 }))
	save(t, s, "a")
	save(t, s, "b")
	server.Kill()
	if p, err := s.Load(t.Context(), name); err == nil {
		t.Errorf("a dead server says %q", p)
	}
	if s.Save(t.Context(), name, "c") == nil {
		t.Error("a dead server saves")
	}
	server.Restart()
	load(t, s, "b")
	save(t, s, "d")
	load(t, s, "d")
}

// A silent server, asked by a client that would wait for ever.
func TestServerSilent(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client(func(o *redis.Options) { o.ReadTimeout, o.MaxRetries = -1, -1 })
	save(t, open(t, client), "a")
	s := open(t, client, rediscursor.Budget(50*time.Millisecond))
	server.Pause()
	defer server.Resume()
	if p, err := s.Load(t.Context(), name); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent server says %q, %v", p, err)
	}
	for range 3 {
		if err := s.Save(t.Context(), name, "b"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a silent server saves: %v", err)
		}
	}
	// The caller's own limit counts as well.
	why := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, why)
	defer cancel()
	if _, err := open(t, client).Load(ctx, name); !errors.Is(err, why) {
		t.Errorf("with an own limit: %v", err)
	}
	server.Resume()
	save(t, open(t, client), "c")
	load(t, open(t, client), "c")
}

// held holds up the first SET, whatever its context says, as a client does
// that waits for a connection.
type held struct {
	began, free chan struct{}
	first       chan struct{} // holds one token
}

func (h *held) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h *held) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "set" {
			select {
			case <-h.first:
				close(h.began)
				<-h.free
			default:
			}
		}
		return next(context.WithoutCancel(ctx), cmd)
	}
}

func (h *held) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// A save that was given up is still on its way in the client. One that comes
// later and succeeds must not be undone by it.
func TestASaveThatWasGivenUpDoesNotReturn(t *testing.T) {
	client := redistest.Start(t).Client()
	h := &held{began: make(chan struct{}), free: make(chan struct{}), first: make(chan struct{}, 1)}
	h.first <- struct{}{}
	client.AddHook(h)
	s := open(t, client)

	ctx, giveUp := context.WithCancel(t.Context())
	old := make(chan error)
	go func() { old <- s.Save(ctx, name, "old") }()
	<-h.began
	giveUp()
	if err := <-old; !errors.Is(err, context.Canceled) {
		t.Fatalf("the save that was given up: %v", err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	early := s.Save(soon, name, "new")
	close(h.free)
	if early == nil {
		t.Error("a save overtakes the one before it")
	}
	save(t, s, "new")
	load(t, s, "new")
}

// A server that does not know AUTH repeats the password in its error.
func TestErrorsDoNotTellThePassword(t *testing.T) {
	server := redistest.Start(t, "--rename-command", "AUTH", "", "--rename-command", "HELLO", "")
	s := open(t, server.Client(func(o *redis.Options) { o.Password, o.MaxRetries = "hunter2", -1 }))
	_, loading := s.Load(t.Context(), name)
	for _, err := range []error{loading, s.Save(t.Context(), name, "a")} {
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error is %v", err)
		}
		if !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "unknown command") {
			t.Errorf("the error does not help: %v", err)
		}
		if _, ok := errors.AsType[redis.Error](err); !ok {
			t.Errorf("the server's error is not wrapped: %v", err)
		}
	}
}
