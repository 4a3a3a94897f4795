package pulsarws

// fake time: all tests here run in a bubble

import (
	"context"
	"encoding/json"
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
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/linktest"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

func (s *service) publisher(opts ...PublisherOption) *Publisher {
	s.T.Helper()
	log := &linktest.Journal{}
	p, err := Publish(s.URL, aTopic, append([]PublisherOption{Token(canary), DialContext(s.DialContext), Logger(log.Logger())}, opts...)...)
	if err != nil {
		s.T.Fatal(err)
	}
	s.Watch(log, p, nil)
	return p
}

// arrivedMessage is a message as the service sees it.
type arrivedMessage struct {
	Payload    []byte
	Properties map[string]string
	Context    string
	Key        *string
	EventTime  *string
}

// arrival returns the next message; false at the end of the connection.
func arrival(p *peer) (m arrivedMessage, ok bool) {
	text := p.Get()
	return m, text != "" && json.Unmarshal([]byte(text), &m) == nil
}

func confirm(p *peer, m arrivedMessage) { reply(p, m, "ok") }

func reply(p *peer, m arrivedMessage, result string) {
	p.Send(fmt.Sprintf(`{"result":%q,"messageId":"CAcQATAA","errorMsg":"because of \n %s","context":%q,"errorCode":0,"schemaVersion":0}`,
		result, strings.ReplaceAll(canary, `"`, `\"`), m.Context))
}

// confirming serves a producer.
func confirming(p *peer) {
	for {
		m, ok := arrival(p)
		if !ok {
			return
		}
		confirm(p, m)
	}
}

func anEvent(id string) *eds.Event {
	return &eds.Event{ID: id, Type: "t", Source: "s", Payload: []byte(id)}
}

func TestPublishedMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		got := make(chan arrivedMessage, 1)
		s := newService(t, accept(func(p *peer) {
			for {
				m, ok := arrival(p)
				if !ok {
					return
				}
				got <- m
				confirm(p, m)
			}
		}))
		p := s.publisher(PublishKey(func(e *eds.Event) string { return e.Attributes["k"] }))
		at := time.Date(2026, 3, 20, 14, 30, 0, 120_000_000, time.FixedZone("", 2*3600))
		for _, c := range []struct {
			event         eds.Event
			key, moment   string
			props, source map[string]string
		}{
			{event: eds.Event{}},
			{event: eds.Event{ID: "e", Type: "T", Source: "S", Time: at, Payload: []byte("\x00\xffé"), Attributes: map[string]string{"k": "K", "ce_id": "forged", "é": "\"\n"}},
				key: "K", moment: "2026-03-20T14:30:00.12+02:00"},
			// The service throws on times before 1970, and reads no year after 9999.
			{event: eds.Event{ID: "e", Time: time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC)}},
			{event: eds.Event{ID: "e", Time: time.Unix(0, 0)}},
			{event: eds.Event{ID: "e", Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}},
		} {
			before := fmt.Sprint(c.event)
			if err := p.Handle(t.Context(), &c.event); err != nil {
				t.Fatal(err)
			}
			m := <-got
			e := c.event
			if fmt.Sprint(e) != before {
				t.Errorf("the event was changed: %v", e)
			}
			if string(m.Payload) != string(e.Payload) || m.Payload == nil || m.Properties["ce_id"] != e.ID || m.Properties["ce_type"] != e.Type || m.Properties["ce_source"] != e.Source {
				t.Errorf("%+v of %+v", m, e)
			}
			if c.key == "" && m.Key != nil || c.key != "" && (m.Key == nil || *m.Key != c.key) {
				t.Errorf("key %v", m.Key)
			}
			if c.moment == "" && m.EventTime != nil || c.moment != "" && (m.EventTime == nil || *m.EventTime != c.moment) {
				t.Errorf("%v: event time %v", e.Time, *m.EventTime)
			}
			if v, ok := m.Properties["ce_time"]; ok != !e.Time.IsZero() || ok && v != e.Time.Format(time.RFC3339Nano) {
				t.Errorf("%v: ce_time %q", e.Time, v)
			}
			if e.Attributes["é"] != m.Properties["é"] {
				t.Errorf("%+v", m.Properties)
			}
		}
	})
}

func TestTraceContextTravelsAlong(t *testing.T) {
	before := otel.GetTextMapPropagator()
	t.Cleanup(func() { otel.SetTextMapPropagator(before) })
	otel.SetTextMapPropagator(propagation.TraceContext{})
	bubble(t, func(t *testing.T) {
		s := newStandIn(t)
		p, err := Publish(s.URL(), aTopic, DialContext(s.DialContext), Logger(quietly))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close(t.Context())
		e := anEvent("e")
		e.Attributes = map[string]string{"traceparent": "00-of-the-receiver-01", "tenant": "7"}
		span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
		if err := p.Handle(trace.ContextWithSpanContext(t.Context(), span), e); err != nil {
			t.Fatal(err)
		}
		got := must(t, s.consumer()).Event.Attributes
		if got["traceparent"] != "00-01000000000000000000000000000000-0200000000000000-01" || got["tenant"] != "7" {
			t.Errorf("attributes %v", got)
		}
		if e.Attributes["traceparent"] != "00-of-the-receiver-01" {
			t.Error("the event of the receiver was changed")
		}
	})
}

// Replies are matched by their context, in whatever order they come.
func TestPublisherRepliesOutOfOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newService(t, accept(func(p *peer) {
			var all []arrivedMessage
			for range 50 {
				m, ok := arrival(p)
				if !ok {
					return
				}
				all = append(all, m)
			}
			p.Send(`{"result":"ok","context":"nobody's"}`)
			p.Send(`{"result":"ok"}`)
			p.Send(`{"result":"send-error:3"}`) // of which of the fifty?
			p.Send(`nonsense`)
			p.Send(`{"endOfTopic":true}`)
			slices.Reverse(all)
			for _, m := range all {
				if string(m.Payload) == "e7" {
					reply(p, m, "send-error:8")
				} else {
					confirm(p, m)
				}
				confirm(p, m) // a second reply is nobody's
			}
			p.Rest()
		}))
		p := s.publisher()
		var work sync.WaitGroup
		for i := range 50 {
			work.Go(func() {
				err := p.Handle(t.Context(), anEvent(fmt.Sprint("e", i)))
				if (err != nil) != (i == 7) || eds.IsPermanent(err) {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		work.Wait()
		if s.Count() != 1 {
			t.Errorf("%d connections", s.Count())
		}
	})
}

func TestPublisherSendErrors(t *testing.T) {
	for result, permanent := range map[string]bool{"send-error:3": true, "send-error:7": true, "send-error:8": false, "send-error:99": false, "what": false} {
		bubble(t, func(t *testing.T) {
			s := newService(t, accept(func(p *peer) {
				m, _ := arrival(p)
				reply(p, m, result)
				confirming(p)
			}))
			p := s.publisher()
			err := p.Handle(t.Context(), anEvent("e"))
			if err == nil || eds.IsPermanent(err) != permanent || !strings.Contains(err.Error(), result) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v", result, err)
			}
			noKey(t, "error", fmt.Sprint(err))
			if err := p.Handle(t.Context(), anEvent("e2")); err != nil || s.Count() != 1 {
				t.Errorf("%v after %d connections", err, s.Count())
			}
		})
	}
}

// What the service cannot read it cannot name: its answer is without a context.
func TestPublisherSendErrorWithoutContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newService(t, accept(func(p *peer) {
			arrival(p)
			p.Send(`{"result":"ok"}`)
			p.Send(`{"result":"send-error:3","errorMsg":"unreadable","errorCode":0,"schemaVersion":0}`)
			confirming(p)
		}))
		p := s.publisher()
		start := time.Now()
		if err := p.Handle(t.Context(), anEvent("e")); !eds.IsPermanent(err) || time.Since(start) > time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// What was not confirmed when a connection was lost is sent again.
func TestPublisherSendsAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		got := make(chan string, 100)
		s := newService(t, accept(func(p *peer) {
			for i := range 3 {
				m, ok := arrival(p)
				if !ok {
					return
				}
				got <- m.Properties["ce_id"]
				if p.N < 3 && i == 2 {
					return // the third is lost, twice
				}
				confirm(p, m)
			}
			confirming(p)
		}))
		p := s.publisher()
		for i := range 5 {
			if err := p.Handle(t.Context(), anEvent(fmt.Sprint("e", i))); err != nil {
				t.Error(err)
			}
		}
		close(got)
		var all []string
		for id := range got {
			all = append(all, id)
		}
		if want := []string{"e0", "e1", "e2", "e2", "e3", "e4", "e4"}; !slices.Equal(all, want) {
			t.Errorf("sent %v, want %v", all, want)
		}
	})
}

func TestPublisherGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newService(t, accept(func(p *peer) { p.Rest() })) // never confirms
		p := s.publisher(SendTimeout(5 * time.Second))
		start := time.Now()
		err := p.Handle(t.Context(), anEvent("e"))
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 5*time.Second || eds.IsPermanent(err) || strings.Count(err.Error(), "pulsarws: ") != 1 {
			t.Errorf("%v after %v", err, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Handle(ctx, anEvent("e")); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		why := errors.New("the reason")
		ctx, end := context.WithCancelCause(t.Context())
		end(why)
		if err := p.Handle(ctx, anEvent("e")); !errors.Is(err, why) {
			t.Error(err)
		}
		// Nobody waits for what was given up.
		c, _ := p.link.Session()
		if n := len(c.waiting); n != 0 {
			t.Errorf("%d are remembered", n)
		}
	})
}

func TestPublisherClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		code := make(chan websocket.StatusCode, 1)
		s := newService(t, accept(func(p *peer) {
			arrival(p)
			code <- p.End()
		}))
		p := s.publisher()
		var work sync.WaitGroup
		work.Go(func() {
			if err := p.Handle(t.Context(), anEvent("e")); err == nil || !strings.Contains(err.Error(), "closed") {
				t.Errorf("Handle = %v", err)
			}
		})
		synctest.Wait()
		start := time.Now()
		if err := p.Close(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("Close = %v after %v", err, time.Since(start))
		}
		work.Wait()
		if got := <-code; got != websocket.StatusNormalClosure {
			t.Errorf("closed with %v", got)
		}
		if err := p.Handle(t.Context(), anEvent("e")); err == nil {
			t.Error("published after Close")
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if st := p.Status(); st.State != eds.Closed || s.Count() != 1 {
			t.Errorf("%+v, %d connections", st, s.Count())
		}

		// One that never published has no connection to end.
		p = s.publisher()
		p.Close(t.Context())
		if err := p.Handle(t.Context(), anEvent("e")); err == nil || s.Count() != 1 {
			t.Errorf("%v, %d connections", err, s.Count())
		}
	})
}

func TestPublisherTooLarge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		largest := 0
		s := newService(t, accept(func(p *peer) {
			for {
				text := p.Get()
				if text == "" {
					return
				}
				largest = max(largest, len(text))
				var m arrivedMessage
				json.Unmarshal([]byte(text), &m)
				confirm(p, m)
			}
		}))
		p := s.publisher(MaxPublishBytes(2000))
		refused := 0
		for n := 1300; n < 1600; n++ {
			err := p.Handle(t.Context(), &eds.Event{ID: "e", Type: "t", Payload: make([]byte, n)})
			if err != nil {
				refused++
				if !eds.IsPermanent(err) || !strings.Contains(err.Error(), "2000") {
					t.Errorf("%d bytes: %v", n, err)
				}
			}
		}
		if refused == 0 || refused == 300 || largest > 2000 || largest < 1997 {
			t.Errorf("%d refused, the largest sent has %d bytes", refused, largest)
		}
		if err := p.Handle(t.Context(), &eds.Event{ID: "\xff"}); !eds.IsPermanent(err) {
			t.Errorf("an id that is no text: %v", err)
		}
		if s.Count() != 1 {
			t.Errorf("%d connections", s.Count())
		}
	})
}

// A service that takes less than MaxPublishBytes says so by ending the
// connection: the large message is refused, and the others are sent again.
func TestPublisherTooLargeForTheService(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newService(t, accept(func(p *peer) {
			p.WS.SetReadLimit(10_000)
			confirming(p)
		}))
		p := s.publisher()
		var work sync.WaitGroup
		for i := range 20 {
			work.Go(func() {
				n := 10 + i
				if i == 13 {
					n = 20_000
				}
				err := p.Handle(t.Context(), &eds.Event{ID: fmt.Sprint("e", i), Payload: make([]byte, n)})
				if (err != nil) != (i == 13) || i == 13 && !eds.IsPermanent(err) {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		work.Wait()
	})
}

func TestPublisherStandsByForItsName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStandIn(t)
		open := func() *Publisher {
			p, err := Publish(s.URL(), aTopic, ProducerName("one"), DialContext(s.DialContext), Logger(quietly))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { p.Close(context.WithoutCancel(t.Context())) })
			return p
		}
		first, second := open(), open()
		if err := first.Handle(t.Context(), anEvent("e1")); err != nil {
			t.Fatal(err)
		}
		if err := second.Handle(t.Context(), anEvent("e2")); err == nil || second.Status().State != eds.Standby {
			t.Errorf("%v, %+v", err, second.Status())
		}
		first.Close(t.Context())
		if err := second.Handle(t.Context(), anEvent("e2")); err != nil || second.Status().State != eds.Connected {
			t.Errorf("%v, %+v", err, second.Status())
		}
		if n := len(s.topic().Messages()); n != 2 {
			t.Errorf("%d messages", n)
		}
	})
}

func TestPublisherRefused(t *testing.T) {
	for _, c := range []struct {
		status int
		is     func(error) bool
	}{
		{401, func(err error) bool { _, ok := errors.AsType[*eds.AuthError](err); return ok }},
		{403, func(err error) bool { _, ok := errors.AsType[*eds.AuthError](err); return ok }},
		{400, func(err error) bool { _, ok := errors.AsType[*eds.ConfigError](err); return ok }},
		{404, func(err error) bool { _, ok := errors.AsType[*eds.ConfigError](err); return ok }},
	} {
		bubble(t, func(t *testing.T) {
			s := newService(t, refuse(c.status, "no "+canary))
			p := s.publisher()
			for range 2 {
				if err := p.Handle(t.Context(), anEvent("e")); !c.is(err) {
					t.Errorf("%d: %v", c.status, err)
				} else {
					noKey(t, "error", fmt.Sprintf("%v %#v", err, err))
				}
			}
			if s.Count() != 1 || p.Status().State != eds.Refused {
				t.Errorf("%d dials, %+v", s.Count(), p.Status())
			}
		})
	}
}

// A service that is down costs time, and those that are up by then their turn.
func TestPublisherServiceDownAtFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		s := newService(t, nil)
		s.Answer = func(n int, w http.ResponseWriter, r *http.Request) {
			if time.Since(start) < 40*time.Second {
				refuse([]int{500, 503, 429}[n%3], "backlog quota")(n, w, r)
				return
			}
			accept(confirming)(n, w, r)
		}
		p := s.publisher(SendTimeout(2 * time.Minute))
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		// The error says why there is no connection.
		if err := p.Handle(short, anEvent("early")); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, p.Status().Err) ||
			!strings.Contains(err.Error(), "backlog quota") {
			t.Error(err)
		}
		var work sync.WaitGroup
		for i := range 50 {
			work.Go(func() {
				if err := p.Handle(t.Context(), anEvent(fmt.Sprint("e", i))); err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
		if took := time.Since(start); took < 40*time.Second || took > 110*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// Fifty at once, over connections that break and a service that is slow.
func TestPublisherConcurrently(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStandIn(t)
		p, err := Publish(s.URL(), aTopic, DialContext(s.DialContext), Logger(quietly), Backoff(time.Millisecond, time.Second))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close(t.Context())
		s.OnCommand(pulsartest.Send, pulsartest.Drop(), pulsartest.Skip(100))
		s.OnCommand(pulsartest.Send, pulsartest.Delay(3*time.Second), pulsartest.Skip(200), pulsartest.Times(20))
		s.OnCommand(pulsartest.Send, pulsartest.Close(1011, "x"), pulsartest.Skip(300))
		var work sync.WaitGroup
		for g := range 50 {
			work.Go(func() {
				for i := range 10 {
					if err := p.Handle(t.Context(), anEvent(fmt.Sprint("e", g, "-", i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		work.Wait()
		there := map[string]bool{}
		for _, m := range s.topic().Messages() {
			there[m.Properties["ce_id"]] = true
		}
		if len(there) != 500 {
			t.Errorf("%d of 500 events are there", len(there))
		}
		if n := p.Status().Connects; n != 3 {
			t.Errorf("%d connections", n)
		}
	})
}
