package linktest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// refusals are the faults in which the service answers, and says no.
func (k *kit[O]) refusals() []fault {
	all := []fault{
		{"A1", func(t *testing.T) { k.keyRefused(t, Refuse(401, "no key: "+Secret), 401) }},
		{"A2", func(t *testing.T) { k.keyRefused(t, Refuse(403, "<html>wrong key "+Secret), 403) }},
		{"A4", func(t *testing.T) { k.standby(t, Refuse(409, "held by another"), 0) }},
		{"A4/silent", k.silentAfterStandby},
		{"A6", k.ownStaleConnection},
		{"A7", k.keyReplaced},
		{"A7/once", k.keyReplacedInVain},
		{"A8", k.retryAfter},
		{"A9", k.gatewayErrors},
		{"A10", k.wrongSetting},
	}
	for _, code := range k.KeyCloses {
		all = append(all, fault{fmt.Sprint("A3/", code), func(t *testing.T) { k.keyRefused(t, Closing(code, "bad key "+Secret), code) }})
	}
	if k.HeldClose != 0 {
		late := Accept(func(p *Peer) {
			time.Sleep(900 * time.Millisecond)
			p.Close(k.HeldClose, "held")
		})
		all = append(all,
			fault{"A5", func(t *testing.T) { k.standby(t, Closing(k.HeldClose, "held"), 0) }},
			fault{"A5/late", func(t *testing.T) { k.standby(t, late, 900*time.Millisecond) }})
	}
	return all
}

// keyRefused has a key refused that does not change: once is enough.
func (k *kit[O]) keyRefused(t *testing.T, answer Answer, code int) {
	s := k.service(t, answer)
	c := k.kind.Client(s)
	for range 2 {
		_, err := c.Receive(t.Context())
		ae, ok := errors.AsType[*eds.AuthError](err)
		if !ok || ae.Code != code || !strings.HasPrefix(ae.Reason, `"`) {
			t.Fatalf("Receive = %v", err)
		}
		NoSecret(t, "error", fmt.Sprintf("%v %#v %#v", err, err, *ae))
		time.Sleep(time.Hour)
	}
	dials(t, s, 1)
	state(t, c, eds.Refused)
	if c.Status().Err == nil {
		t.Error("no cause")
	}
}

// standby has another client there for twelve minutes; each refusal takes so
// long.
func (k *kit[O]) standby(t *testing.T, refusal Answer, takes time.Duration) {
	const lasts = 12 * time.Minute
	start := time.Now()
	s := k.service(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if time.Since(start) < lasts {
			refusal(n, w, r)
			return
		}
		k.sound(1)(n, w, r)
	})
	c := k.kind.Client(s, k.Options.Backoff(time.Minute, time.Hour))
	Until(t, c, 3500*time.Millisecond)
	state(t, c, eds.Standby)
	k.receive(t, c, 1)
	gaps := s.Gaps()
	for i, g := range gaps {
		g -= takes
		switch {
		case i < 3 && (g < 900*time.Millisecond || g > 1300*time.Millisecond):
			t.Errorf("gap %d is %v, want about 1 s", i, g)
		case g > 31*time.Second || i > 15 && g < 14*time.Second:
			t.Errorf("gap %d is %v, want 15 to 30 s", i, g)
		}
	}
	if len(gaps) < 20 {
		t.Errorf("only %d tries", len(gaps))
	}
	state(t, c, eds.Connected)
}

// silentAfterStandby: a connection that brings nothing may still be refused by
// a close code, for a while.
func (k *kit[O]) silentAfterStandby(t *testing.T) {
	s := k.service(t, nil)
	s.Answer = func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			Refuse(409, "")(n, w, r)
			return
		}
		k.sound()(n, w, r)
	}
	c := k.kind.Client(s)
	Until(t, c, 5*time.Second)
	state(t, c, eds.Standby)
	if st := c.Status(); st.Connects != 1 {
		t.Errorf("%+v", st)
	}
	Until(t, c, 10*time.Second)
	state(t, c, eds.Connected)
}

// ownStaleConnection: the connection broke without the service's noticing. For
// a while this client is in its own way.
func (k *kit[O]) ownStaleConnection(t *testing.T) {
	const lasts = 15 * time.Minute
	start := time.Now()
	s := k.service(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch {
		case n == 1:
			k.mute()(n, w, r)
		case time.Since(start) < lasts:
			Refuse(409, "")(n, w, r)
		default:
			k.sound(1)(n, w, r)
		}
	})
	k.receive(t, k.kind.Client(s), 1)
	if late := time.Since(start) - lasts; late > 31*time.Second {
		t.Errorf("connected %v after that was possible", late)
	}
}

func (k *kit[O]) keyReplaced(t *testing.T) {
	var mu sync.Mutex
	key, asked := "old-key", 0
	s := k.service(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != k.Scheme+"new-key" {
			mu.Lock()
			key = "new-key" // somebody mends it just now
			mu.Unlock()
			Refuse(401, "old-key is no good")(n, w, r)
			return
		}
		Accept(func(p *Peer) {
			k.send(p, 1)
			p.Get()
			if len(k.KeyCloses) > 0 {
				p.Close(k.KeyCloses[0], "")
			}
			p.Rest()
		})(n, w, r)
	})
	c := k.kind.Client(s, k.Options.KeyFunc(func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked == 1 {
			return "", errors.New("vault is down")
		}
		return key, nil
	}))
	Ack(t, c, k.receive(t, c, 1))
	dials(t, s, 2)
	if len(k.KeyCloses) == 0 {
		return
	}
	// The same key is refused, and there is no other.
	_, err := c.Receive(t.Context())
	if _, ok := errors.AsType[*eds.AuthError](err); !ok {
		t.Errorf("Receive = %v", err)
	}
	dials(t, s, 2)
}

// keyReplacedInVain has the next key refused as well.
func (k *kit[O]) keyReplacedInVain(t *testing.T) {
	s := k.service(t, Refuse(403, "not authorized"))
	n := 0
	c := k.kind.Client(s, k.Options.KeyFunc(func(context.Context) (string, error) {
		n++
		return fmt.Sprint("key", n), nil
	}))
	_, err := c.Receive(t.Context())
	if ae, ok := errors.AsType[*eds.AuthError](err); !ok || ae.Code != 403 {
		t.Errorf("Receive = %v", err)
	}
	dials(t, s, 2) // one with each key
}

func (k *kit[O]) retryAfter(t *testing.T) {
	for _, c := range []struct {
		status   int
		header   string
		min, max time.Duration
	}{
		{429, "20", 20 * time.Second, 20 * time.Second},
		{503, "20", 20 * time.Second, 20 * time.Second},
		{503, "99999999999999999999", 5 * time.Minute, 5 * time.Minute},
		{503, "-5", 0, 2 * time.Second},
		{503, "soon", 0, 2 * time.Second},
		{500, "20", 0, 2 * time.Second},
	} {
		s := k.service(t, k.once(func(n int, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", c.header)
			Refuse(c.status, "")(n, w, r)
		}))
		k.receive(t, k.kind.Client(s), 1)
		if g := s.Gaps()[0]; g < c.min || g > c.max {
			t.Errorf("%d, Retry-After %q: tried again after %v", c.status, c.header, g)
		}
	}
}

func (k *kit[O]) gatewayErrors(t *testing.T) {
	s := k.service(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n <= 4 {
			Refuse([]int{500, 502, 504, 599}[n-1], "<html>"+Secret)(n, w, r)
			return
		}
		k.sound(1)(n, w, r)
	})
	k.receive(t, k.kind.Client(s), 1)
}

func (k *kit[O]) wrongSetting(t *testing.T) {
	for _, status := range []int{400, 404, 405, 410, 414, 431} {
		s := k.service(t, Refuse(status, "no such queue "+Secret))
		_, err := k.kind.Client(s).Receive(t.Context())
		ce, ok := errors.AsType[*eds.ConfigError](err)
		if !ok || ce.Value != k.kind.Shown || !strings.Contains(ce.Reason, fmt.Sprint(status)) {
			t.Errorf("Receive = %v", err)
		}
		NoSecret(t, "error", fmt.Sprintf("%v %#v", err, ce))
		time.Sleep(time.Hour)
		dials(t, s, 1)
	}
}
