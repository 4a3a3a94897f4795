package linktest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// Protocol is what the faults must know of a transport whose options are of
// type O.
type Protocol[O any] struct {
	// Kinds are the clients that it has: all must pass.
	Kinds []Kind[O]
	// Message is message n on the wire; ID and Receipt are what its delivery has.
	Message     func(n int) string
	ID, Receipt func(n int) string
	// Acked reads an acknowledgement; false for what else a client says.
	Acked func(text string) (receipt string, ok bool)
	// Serve takes what comes to the end of the connection, answers each
	// keep-alive and calls ping for it.
	Serve func(p *Peer, ping func())

	// Scheme stands before the key in the Authorization header, as "Bearer ".
	Scheme string
	// KeyCloses are the close codes that refuse the key, and HeldClose the one
	// that says that another client is there; 0 for none.
	KeyCloses []int
	HeldClose int
	// Idle is after how long the service closes a silent connection.
	Idle time.Duration
	// DialTimeout and PingInterval are the defaults.
	DialTimeout, PingInterval time.Duration
	// Handshakes returns the client that makes the handshakes of c.
	Handshakes func(c Client) *http.Client
	// Options are the transport's own.
	Options Options[O]
}

// Kind is a client of a protocol.
type Kind[O any] struct {
	// Name is part of the tests' names; it may be empty if there is but one.
	Name string
	// Shown is what errors show of [URL].
	Shown string
	// Lost is what Ack says of a delivery whose connection is gone.
	Lost error
	// Client makes one that dials s.URL with [Secret], has the service watch
	// it, and lets opts have the last word.
	Client func(s *Service, opts ...O) Client
}

// Client is a transport.
type Client interface {
	eds.Transport
	eds.StatusReporter
	eds.Validator
}

// Options make a transport's options.
type Options[O any] struct {
	KeyFunc      func(func(context.Context) (string, error)) O
	Backoff      func(min, max time.Duration) O
	DialTimeout  func(time.Duration) O
	WriteTimeout func(time.Duration) O
	PingInterval func(time.Duration) O
	DialContext  func(func(ctx context.Context, network, addr string) (net.Conn, error)) O
	HTTPClient   func(*http.Client) O
	Logger       func(*slog.Logger) O
}

// Dial has each kind of client meet what goes wrong on the way to a
// connection: the faults A1 to A18, A21, E7 and E9 of docs/faults.md, A3 and
// A5 if the protocol has close codes for them. What only one protocol meets,
// and what its names look like on the wire (A20), is for its own tests.
func Dial[O any](t *testing.T, p Protocol[O]) {
	run(t, p, (*kit[O]).refusals)
	run(t, p, (*kit[O]).dials)
}

// Connection has each kind of client meet what happens to a connection: B1 to
// B5, B9, B29, B31 and B33.
func Connection[O any](t *testing.T, p Protocol[O]) {
	run(t, p, (*kit[O]).connections)
	run(t, p, (*kit[O]).unattended)
}

// Settle has each kind of client acknowledge and close when that is hard: B19
// to B22, B32, C8, E1 and E6.
func Settle[O any](t *testing.T, p Protocol[O]) { run(t, p, (*kit[O]).settlements) }

// kit tests one kind of client.
type kit[O any] struct {
	Protocol[O]
	kind Kind[O]
}

// fault is what may go wrong, by its number in docs/faults.md.
type fault struct {
	id   string
	test func(t *testing.T)
}

func run[O any](t *testing.T, p Protocol[O], faults func(*kit[O]) []fault) {
	for _, kind := range p.Kinds {
		for _, f := range faults(&kit[O]{p, kind}) {
			name := f.id
			if kind.Name != "" {
				name += "/" + kind.Name
			}
			t.Run(name, func(t *testing.T) { synctest.Test(t, f.test) })
		}
	}
}

// service returns a new service that speaks the protocol.
func (k *kit[O]) service(t *testing.T, answer Answer) *Service {
	return NewService(t, k.Acked, answer)
}

// sound keeps the connection after it has sent the messages.
func (k *kit[O]) sound(messages ...int) Answer {
	return Accept(func(p *Peer) {
		k.send(p, messages...)
		p.Rest()
	})
}

// once gives the first dial another answer than those that follow, which bring
// message 1.
func (k *kit[O]) once(first Answer) Answer {
	return func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			first(n, w, r)
			return
		}
		k.sound(1)(n, w, r)
	}
}

func (k *kit[O]) send(p *Peer, messages ...int) {
	for _, n := range messages {
		p.Send(k.Message(n))
	}
}

// receive receives message n.
func (k *kit[O]) receive(t *testing.T, c Client, n int) *eds.Delivery {
	t.Helper()
	d := Must(t, c)
	if d.Event.ID != k.ID(n) || d.Receipt != k.Receipt(n) || d.Err != nil {
		t.Errorf("%+v, want message %d", d, n)
	}
	return d
}

// receipts returns those of the messages 0 to n-1.
func (k *kit[O]) receipts(n int) (all []string) {
	for i := range n {
		all = append(all, k.Receipt(i))
	}
	return all
}

// held says that another client is there.
func (k *kit[O]) held() Answer {
	if k.HeldClose != 0 {
		return Closing(k.HeldClose, "")
	}
	return Refuse(http.StatusConflict, "")
}

func dials(t *testing.T, s *Service, want int) {
	t.Helper()
	if n := s.Count(); n != want {
		t.Errorf("%d dials, want %d", n, want)
	}
}

func state(t *testing.T, c Client, want eds.State) {
	t.Helper()
	if st := c.Status(); st.State != want {
		t.Errorf("%+v, want %v", st, want)
	}
}

// cause returns what the status says went wrong last.
func cause(c Client) string { return fmt.Sprint(c.Status().Err) }
