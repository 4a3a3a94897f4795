package sim

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/eds"
)

// naive is a client of Pulsar's WebSocket service as one writes it in an
// afternoon. Each program of this file is one, with a mistake or, to see that
// it is the mistake that is found, without.
type naive struct {
	process *Process
	path    string // of the endpoint
	window  int
	// from is the position of the next connection; nil for a consumer.
	from func() string
	// got takes a message, and says with answer that it is done.
	got func(ctx context.Context, id string, e *eds.Event, answer func(command string) error) error
}

// CarefulReader handles one event after the other, saves the position, and then
// lets the service go on.
func CarefulReader(ctx context.Context, p *Process) error {
	last := p.load(ctx)
	n := p.naiveReader(func() string { return last })
	n.got = func(ctx context.Context, id string, e *eds.Event, answer func(string) error) error {
		if !p.insist(ctx, e) {
			return errHandler
		}
		last = id
		if err := p.world.Cursor.For(p).Save(ctx, "", id); err != nil {
			return err
		}
		return answer("")
	}
	return n.run(ctx)
}

// LatestReader begins each connection with what is new then.
func LatestReader(ctx context.Context, p *Process) error {
	n := p.naiveReader(func() string { return "latest" })
	n.got = func(ctx context.Context, id string, e *eds.Event, answer func(string) error) error {
		if !p.insist(ctx, e) {
			return errHandler
		}
		_ = p.world.Cursor.For(p).Save(ctx, "", id)
		return answer("")
	}
	return n.run(ctx)
}

// HighestReader handles events side by side, and saves the highest that is
// done, whatever is still in work below it.
func HighestReader(ctx context.Context, p *Process) error {
	last := p.load(ctx)
	var mu sync.Mutex
	n := p.naiveReader(func() string {
		mu.Lock()
		defer mu.Unlock()
		return last
	})
	n.got = func(ctx context.Context, id string, e *eds.Event, answer func(string) error) error {
		p.world.wait.Go(func() {
			if !p.insist(ctx, e) {
				return
			}
			mu.Lock()
			old, known := placeOf(last)
			at, _ := placeOf(id)
			higher := !known || old.before(at)
			if higher {
				last = id
			}
			mu.Unlock()
			if higher {
				_ = p.world.Cursor.For(p).Save(ctx, "", id)
			}
			_ = answer("")
		})
		return nil
	}
	return n.run(ctx)
}

// SilentReader is a CarefulReader that thinks a reader has nothing to answer.
func SilentReader(ctx context.Context, p *Process) error {
	last := p.load(ctx)
	n := p.naiveReader(func() string { return last })
	n.got = func(ctx context.Context, id string, e *eds.Event, _ func(string) error) error {
		if !p.insist(ctx, e) {
			return errHandler
		}
		last = id
		return p.world.Cursor.For(p).Save(ctx, "", id)
	}
	return n.run(ctx)
}

// CarefulConsumer handles one event after the other, and acknowledges what went
// well.
func CarefulConsumer(ctx context.Context, p *Process) error {
	return p.naiveConsumer(func(ctx context.Context, _ string, e *eds.Event, answer func(string) error) error {
		if handled(ctx, p, e) {
			return answer("")
		}
		return answer("negativeAcknowledge")
	}).run(ctx)
}

// HastyConsumer acknowledges first, so that the service need not wait.
func HastyConsumer(ctx context.Context, p *Process) error {
	return p.naiveConsumer(func(ctx context.Context, _ string, e *eds.Event, answer func(string) error) error {
		if err := answer(""); err != nil {
			return err
		}
		handled(ctx, p, e)
		return nil
	}).run(ctx)
}

func (p *Process) naiveReader(from func() string) naive {
	return naive{process: p, path: "/ws/v2/reader/persistent/" + topicName, window: 8, from: from}
}

func (p *Process) naiveConsumer(got func(context.Context, string, *eds.Event, func(string) error) error) naive {
	return naive{process: p, path: "/ws/v2/consumer/persistent/" + topicName + "/" + subscriptionName, window: 8, got: got}
}

// load returns the position that was saved, or the beginning.
func (p *Process) load(ctx context.Context) string {
	for ctx.Err() == nil {
		if position, err := p.world.Cursor.For(p).Load(ctx, ""); err == nil && position != "" {
			return position
		} else if err == nil {
			break
		}
	}
	return "earliest"
}

// insist calls the handler until it succeeds; false when the process ends
// before that.
func (p *Process) insist(ctx context.Context, e *eds.Event) bool {
	for !handled(ctx, p, e) {
		if p.Dead() || !sleep(ctx, time.Second) {
			return false
		}
	}
	return true
}

// run connects and reads until ctx ends.
func (n naive) run(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{DialContext: n.process.Dial, DisableKeepAlives: true}}
	for ctx.Err() == nil {
		if n.session(ctx, client) != nil {
			sleep(ctx, time.Second+n.process.world.Seed.Tie("reconnect", n.process.Name))
		}
	}
	return nil
}

var errCut = errors.New("sim: not a message")

func (n naive) session(ctx context.Context, client *http.Client) error {
	query := url.Values{"receiverQueueSize": {strconv.Itoa(n.window)}}
	if n.from != nil {
		query.Set("messageId", n.from())
	}
	c, _, err := websocket.Dial(ctx, n.process.world.url()+n.path+"?"+query.Encode(), &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		return err
	}
	defer c.CloseNow()
	alive, stop := context.WithCancel(ctx)
	defer stop()
	n.process.world.wait.Go(func() {
		for sleep(alive, time.Minute) {
			pinging, cancel := context.WithTimeout(alive, 10*time.Second)
			err := c.Ping(pinging)
			cancel()
			if err != nil {
				c.CloseNow()
				return
			}
		}
	})
	for {
		_, data, err := c.Read(ctx)
		if err != nil {
			return err
		}
		var m struct {
			ID         string            `json:"messageId"`
			Properties map[string]string `json:"properties"`
		}
		if json.Unmarshal(data, &m) != nil || m.ID == "" {
			return errCut
		}
		answer := func(command string) error {
			text, err := json.Marshal(struct {
				Type string `json:"type,omitempty"`
				ID   string `json:"messageId"`
			}{command, m.ID})
			if err != nil {
				return err
			}
			return c.Write(ctx, websocket.MessageText, text)
		}
		if err := n.got(ctx, m.ID, &eds.Event{ID: m.Properties["ce_id"], Type: m.Properties["ce_type"], Queue: n.process.Queue}, answer); err != nil {
			return err
		}
	}
}
