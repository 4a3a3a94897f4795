package wsserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func (e *echo) dialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return e.host.Dial(ctx)
}

func TestClosedHostEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEcho(t)
		ws := e.mustConnect(t)
		waited := make(chan error, 1)
		go func() {
			waited <- e.journal.Wait(t.Context(), func() bool { return false }, func() string { return "nothing came" })
		}()
		synctest.Wait()
		e.host.Close()
		if _, _, err := ws.Read(t.Context()); err == nil {
			t.Error("the connection is alive")
		}
		if err := <-waited; !errors.Is(err, errOver) || err.Error() != "echo: nothing came: echo: server closed" {
			t.Error(err)
		}
		if _, err := e.host.Dial(t.Context()); !errors.Is(err, errOver) {
			t.Error(err)
		}
		if err := e.host.Listen("127.0.0.1:0"); !errors.Is(err, errOver) {
			t.Error(err)
		}
		if !e.host.Closed() {
			t.Error("not closed")
		}
		e.host.Close()
	})
}

func TestAwaitWaitsForTheClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEcho(t)
		ws := e.mustConnect(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		sessions := []*Session{e.last.Session}
		if err := e.host.Await(ctx, sessions); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		_ = ws.CloseNow()
		if err := e.host.Await(t.Context(), sessions); err != nil {
			t.Error(err)
		}
		e.host.Close()
		never := NewSession(nil, &e.mu, 0) // nobody serves it
		if err := e.host.Await(t.Context(), []*Session{never}); err != nil {
			t.Error(err)
		}
	})
}

func TestHostIsReachedByTCP(t *testing.T) {
	h := NewHost("x", errOver, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer h.Close()
	if got := h.Address(); got != "127.0.0.1" {
		t.Errorf("address %q", got)
	}
	if err := h.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := h.Listen(h.Address()); err == nil || errors.Is(err, errOver) {
		t.Errorf("listened twice at %s: %v", h.Address(), err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + h.Address())
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusTeapot {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEcho(t)
		add := func(r string) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.journal.Add(r)
		}
		add("a")
		type result struct {
			r   string
			err error
		}
		first := func(want string) chan result {
			c := make(chan result, 1)
			go func() {
				r, err := e.journal.First(t.Context(), func(r string) bool { return r == want })
				c <- result{r, err}
			}()
			synctest.Wait()
			return c
		}
		if got := <-first("a"); got != (result{"a", nil}) {
			t.Errorf("of the past: %v", got)
		}
		b := first("b")
		add("c")
		synctest.Wait()
		select {
		case got := <-b:
			t.Fatalf("too early: %v", got)
		default:
		}
		add("b")
		if got := <-b; got != (result{"b", nil}) {
			t.Errorf("of the future: %v", got)
		}
		if got := e.journal.History(); !slices.Equal(got, []string{"a", "c", "b"}) {
			t.Errorf("%q", got)
		}
		cause := errors.New("had enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if _, err := e.journal.First(ctx, func(string) bool { return false }); !errors.Is(err, cause) {
			t.Error(err)
		}
		if n := len(e.journal.waiters); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

// TestUnreadRecordsHaveNoTime: it costs more than all else of a record.
func TestUnreadRecordsHaveNoTime(t *testing.T) {
	e := newEcho(t)
	unread := NewJournal[int](e.host, &e.mu, 0, nil)
	seen := NewJournal(e.host, &e.mu, 0, func(int) {})
	for want := 1; want <= 2; want++ {
		if seq, at := unread.Next(); seq != want || !at.IsZero() {
			t.Errorf("%d at %v", seq, at)
		}
		if seq, at := seen.Next(); seq != want || at.IsZero() {
			t.Errorf("%d at %v", seq, at)
		}
	}
}
