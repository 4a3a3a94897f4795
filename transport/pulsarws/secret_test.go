package pulsarws

// fake time: all tests here run in a bubble

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// A token that travels in the URL, where all that goes wrong quotes it, is
// still told to nobody: the client's checks at the end of the test look for it.
func TestSecretInTheQueryIsToldToNobody(t *testing.T) {
	for name, answer := range map[string]answer{
		"401":      refuse(401, "wrong "+canary),
		"400":      refuse(400, "in "+url.QueryEscape(canary)),
		"500":      refuse(500, "<a href=\"?token="+url.QueryEscape(canary)+"\">"),
		"close":    closing(1011, "token="+url.QueryEscape(canary)),
		"redirect": func(_ int, w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), 302) },
		"message":  accept(func(p *peer) { p.Send(canary); p.Send(message(1)); p.Rest() }),
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, connect maker) {
				s := newService(t, answer)
				n := 0
				c := connect(s, SecretInQuery("token"), DialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
					if n++; n == 1 {
						// As net/http words its errors, with the URL.
						return nil, &url.Error{Op: "Get", URL: s.URL + "&token=" + url.QueryEscape(canary), Err: fmt.Errorf("refused: %q", canary)}
					}
					return s.DialContext(ctx, network, addr)
				}))
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				for range 3 {
					d, err := c.Receive(ctx)
					noKey(t, "error", fmt.Sprintf("%v %+v %#v", err, err, err))
					if err == nil {
						ackIt(t, c, d)
					}
				}
				if s.Count() == 0 || s.Asked()[0].URL.Query().Get("token") != canary || s.Asked()[0].Header.Get("Authorization") != "" {
					t.Errorf("asked %v", s.Asked())
				}
				if st := c.Status(); st.Err == nil && st.State != eds.Connected {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}
