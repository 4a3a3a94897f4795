package wsserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

var errOver = errors.New("echo: server closed")

// echo is a stand-in that sends back what it gets, after a while.
type echo struct {
	host    *Host
	journal *Journal[string]

	mu    sync.Mutex
	after time.Duration
	dial  Dial
	last  *echoSession
}

func newEcho(t *testing.T) *echo {
	e := &echo{}
	e.host = NewHost("echo", errOver, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !e.host.HoldUp(r, e.dial) {
			return
		}
		e.host.Disturb(w, r, e.dial)
		if e.dial.Over() {
			return
		}
		c := &echoSession{e: e}
		c.Session = NewSession(c, &e.mu, 1<<10)
		e.mu.Lock()
		e.last = c
		e.mu.Unlock()
		c.Serve(e.host, w, r, nil)
	}))
	e.journal = NewJournal[string](e.host, &e.mu, 10, nil)
	t.Cleanup(e.host.Close)
	return e
}

type echoSession struct {
	*Session
	e     *echo
	out   []byte
	at    time.Time
	first *Breakage // happens behind the next message
}

func (c *echoSession) Begin() { c.e.journal.Add("begin") }
func (c *echoSession) Release(end End) {
	c.e.journal.Add(fmt.Sprintf("%d %t %s", end.Code, end.Clean, end.Detail))
}

func (c *echoSession) Receive(_ websocket.MessageType, data []byte) {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if c.Deaf() {
		c.e.journal.Add("too late")
		return
	}
	c.e.journal.Add("got " + string(data))
	c.out, c.at = AppendFrame(c.out, Text, true, data), time.Now().Add(c.e.after)
	c.Poke()
}

func (c *echoSession) Collect(buf []byte) ([]byte, *Breakage, time.Time) {
	if len(c.out) == 0 || time.Now().Before(c.at) {
		return buf, nil, c.at
	}
	buf, c.out, c.at = append(buf, c.out...), nil, time.Time{}
	return buf, c.first, c.at
}

func (e *echo) connect(ctx context.Context) (*websocket.Conn, *http.Response, error) {
	transport := &http.Transport{DialContext: e.dialContext, DisableKeepAlives: true}
	return websocket.Dial(ctx, "ws://"+e.host.Address(), &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
}

func (e *echo) mustConnect(t *testing.T) *websocket.Conn {
	t.Helper()
	ws, _, err := e.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ws
}

// breakNow breaks the last session as a test would.
func (e *echo) breakNow(how Breakage) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last.Break(how)
}

func (e *echo) want(t *testing.T, records ...string) {
	t.Helper()
	synctest.Wait()
	if got := e.journal.History(); !slices.Equal(got, records) {
		t.Errorf("history %q, not %q", got, records)
	}
}

func TestSessionReadsWritesAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEcho(t)
		e.after = time.Minute
		ws := e.mustConnect(t)
		start := time.Now()
		if err := ws.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, data, err := ws.Read(t.Context()); err != nil || string(data) != "hello" {
			t.Fatalf("%q, %v", data, err)
		}
		if d := time.Since(start); d != time.Minute {
			t.Errorf("came after %v", d)
		}
		_ = ws.Close(websocket.StatusNormalClosure, "")
		e.want(t, "begin", "got hello", "1000 true closed by the client")
	})
}

func TestSessionBreaks(t *testing.T) {
	for _, c := range []struct {
		how    Breakage
		status websocket.StatusCode // that the client gets; -1 for none
		record string
	}{
		{Breakage{Kind: Drop}, -1, "1006 false "},
		{Breakage{Kind: Reset}, -1, "1006 false "},
		{Breakage{Kind: Close, Code: 4409, Reason: "taken"}, 4409, "4409 true closed by the server"},
	} {
		t.Run(c.how.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEcho(t)
				ws := e.mustConnect(t)
				e.breakNow(c.how)
				_, _, err := ws.Read(t.Context())
				if got := websocket.CloseStatus(err); err == nil || got != c.status {
					t.Errorf("status %d, %v", got, err)
				}
				e.want(t, "begin", c.record)
			})
		})
		t.Run(c.how.String()+" behind a message", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEcho(t)
				ws := e.mustConnect(t)
				e.last.first = &c.how
				if err := ws.Write(t.Context(), websocket.MessageText, []byte("x")); err != nil {
					t.Fatal(err)
				}
				if _, data, err := ws.Read(t.Context()); err != nil || string(data) != "x" {
					t.Errorf("%q, %v", data, err)
				}
				_, _, err := ws.Read(t.Context())
				if got := websocket.CloseStatus(err); err == nil || got != c.status {
					t.Errorf("status %d, %v", got, err)
				}
				e.want(t, "begin", "got x", c.record)
			})
		})
	}
}

func TestMutedSessionLivesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEcho(t)
		ws := e.mustConnect(t)
		e.breakNow(Breakage{Kind: Mute})
		if err := ws.Write(t.Context(), websocket.MessageText, []byte("lost")); err != nil {
			t.Fatal(err)
		}
		_ = ws.CloseNow()
		e.want(t, "begin")
		e.mu.Lock()
		if !e.last.Lasting() || !e.last.Muted() || !e.last.Deaf() {
			t.Error("the session has noticed")
		}
		e.mu.Unlock()
		// A close frame would be unheard, and nobody waits for the answer.
		e.breakNow(Breakage{Kind: Close, Code: 1001})
		e.want(t, "begin", "1001 true closed by the server, unheard")
	})
}

func TestFrozenSessionAnswersAfterTheThaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEcho(t)
		ws := e.mustConnect(t)
		e.breakNow(Breakage{Kind: Freeze})
		if err := ws.Write(t.Context(), websocket.MessageText, []byte("late")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // fake time: nothing may happen in it
		e.want(t, "begin")
		e.mu.Lock()
		if got := e.last.Silence(); got != time.Minute {
			t.Errorf("silent for %v", got)
		}
		e.last.Thaw()
		e.mu.Unlock()
		if _, data, err := ws.Read(t.Context()); err != nil || string(data) != "late" {
			t.Errorf("%q, %v", data, err)
		}
	})
}

// TestBreakBeforeTheWire breaks a session between its upgrade and the moment
// that it can be broken.
func TestBreakBeforeTheWire(t *testing.T) {
	var mu sync.Mutex
	c := &echoSession{e: &echo{}}
	c.e.journal = NewJournal[string](nil, &mu, 10, nil)
	c.Session = NewSession(c, &mu, 0)
	c.Break(Breakage{Kind: Drop}) // not open: nothing to break
	if c.Session.Begin(); !c.Lasting() || c.Deaf() {
		t.Fatal("broken before it was open")
	}
	c.Break(Breakage{Kind: Freeze})
	if !c.Lasting() || c.Deaf() {
		t.Error("a freeze has ended it")
	}
	c.Break(Breakage{Kind: Drop})
	c.Thaw()
	if c.Lasting() || !c.Deaf() || !slices.Equal(c.early, []Breakage{{Kind: Drop}}) {
		t.Errorf("lasting %t, deaf %t, to come %v", c.Lasting(), c.Deaf(), c.early)
	}
}

func TestDialsAreDisturbed(t *testing.T) {
	for _, c := range []struct {
		name string
		dial Dial
		want string // in the client's error
	}{
		{"refuse", Dial{Refuse: &Refusal{Status: 503}}, "got 503"},
		{"answer", Dial{Answer: []byte("SSH-2.0\r\n")}, "malformed HTTP"},
		{"drop", Dial{First: &Breakage{Kind: Drop}}, "EOF"},
		{"close", Dial{First: &Breakage{Kind: Close, Code: 4401, Reason: "no key"}}, "4401"},
		{"mute", Dial{First: &Breakage{Kind: Mute}}, context.DeadlineExceeded.Error()},
		{"delay for too long", Dial{Delay: time.Hour}, context.DeadlineExceeded.Error()},
		{"delay", Dial{Delay: time.Second}, ""},
		{"nothing", Dial{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEcho(t)
				e.dial = c.dial
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				ws, _, err := e.connect(ctx)
				if err == nil {
					defer ws.CloseNow()
				}
				if c.dial.First != nil && c.dial.First.Kind == Close && err == nil {
					_, _, err = ws.Read(ctx)
				}
				if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("dialed with %v, want %q", err, c.want)
				}
			})
		})
	}
}

func TestRefusalWithLeavesTheOriginal(t *testing.T) {
	r := Refusal{Status: 503}.With("Retry-After", "1")
	_ = r.With("Retry-After", "2")
	if got := r.Header["Retry-After"]; !slices.Equal(got, []string{"1"}) {
		t.Errorf("%q", got)
	}
}
