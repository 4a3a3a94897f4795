package streaming8x8_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers"
	"github.com/eventdelivery/eds-go/handlers/eightbyeight"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
	"github.com/eventdelivery/eds-go/transport/streaming8x8"
)

const topic = "acme/event-v1/all"

var quiet = slog.New(slog.DiscardHandler)

// log is what an app saw, in order.
type log struct {
	mu    sync.Mutex
	lines []string
	want  int
	full  context.CancelFunc
}

func (l *log) add(format string, args ...any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
	if len(l.lines) == l.want {
		l.full()
	}
	return nil
}

// watch runs an app on transport until it saw want events.
func watch(t *testing.T, transport eds.Transport, want int) []string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seen := &log{want: want, full: stop}
	app := eds.New(transport, eds.Logger(quiet))
	app.Use(
		middleware.DeadLetter(func(_ context.Context, e *eds.Event) error {
			return seen.add("dead letter %q: %s", e.Type, e.Attributes[middleware.KeyError])
		}),
		middleware.Recover(),
	)
	app.Handle(eightbyeight.TypeInteractionCreated, handlers.Typed(func(_ context.Context, e *eightbyeight.InteractionCreated) error {
		return seen.add("created %s by %s", e.InteractionGUID, e.AttachedData.Text(eightbyeight.KeyPhoneNum))
	}))
	app.Handle(eightbyeight.TypeInteractionDeassigned, handlers.Typed(func(_ context.Context, e eightbyeight.InteractionDeassigned) error {
		return seen.add("deassigned %s", e.AgentID)
	}))
	app.Handle("Interaction*", handlers.TypedEvent(func(_ context.Context, e *eds.Event, i *eightbyeight.Interaction) error {
		return seen.add("other %s of %s", e.Type, i.InteractionGUID)
	}))
	app.Handle("*", func(_ context.Context, e *eds.Event) error { return seen.add("unknown %s %s", e.Type, e.ID) })
	if err := app.Run(ctx); err != nil {
		t.Error(err)
	}
	return seen.lines
}

// publish puts everything into the topic that 8x8's pages contradict one
// another about, and what else may come.
func publish(t *testing.T, srv *pulsartest.Server) (ids, want []string) {
	t.Helper()
	for _, m := range []struct{ payload, want string }{
		{`{"Interaction":{"event":"InteractionCreated","interactionGUID":"int-1","attachedData":{"attachedDatum":{"attachedDataKey":"phoneNum","attachedDataValue":5515550112}}}}`, "created int-1 by 5515550112"},
		{`{"Interaction":{"event":"InteractionDeAssigned","agentId":"agA"}}`, "deassigned agA"},
		{`{"Interaction":{"event":"InteractionBrandNew","interactionGUID":7}}`, "other InteractionBrandNew of 7"},
		{`{"eventId":"evt_1","eventType":"agent.login","data":{}}`, "unknown agent.login evt_1"},
		{`no JSON`, `dead letter "": streaming8x8: the payload is not a JSON object`},
		{`{"Interaction":{"event":"InteractionCreated","event":"InteractionCreated"}}`, `dead letter "InteractionCreated": handlers: payload is no *eightbyeight.InteractionCreated, at "/*/*" (offset 45): a member occurs twice`},
		{`{"Interaction":{"event":"InteractionCreated","interactionGUID":"int-2"}}`, "created int-2 by "},
	} {
		id, err := srv.Publish(topic, pulsartest.Message{Payload: []byte(m.payload)})
		if err != nil {
			t.Fatal(err)
		}
		ids, want = append(ids, id), append(want, m.want)
	}
	return ids, want
}

func TestConsumerToHandlers(t *testing.T) {
	srv := pulsartest.NewTestServer(t, pulsartest.APIKey("eght_1"))
	all, err := srv.Topic(topic)
	if err != nil {
		t.Fatal(err)
	}
	all.Subscribe("crm", true)
	ids, want := publish(t, srv)
	consumer := streaming8x8.NewConsumer(srv.URL(), "acme", streaming8x8.AllEvents, "crm",
		streaming8x8.APIKey("eght_1"), pulsarws.DialContext(srv.DialContext), pulsarws.Logger(quiet))
	if got := watch(t, consumer, len(want)); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if err := srv.WaitAcked(t.Context(), topic, "crm", ids...); err != nil {
		t.Error(err)
	}
}

// The mapper knows nothing of keys, and loses none: a Key_Shared consumer keeps
// their order by pulsarws.Key.
func TestKeyStays(t *testing.T) {
	srv := pulsartest.NewTestServer(t, pulsartest.APIKey("eght_1"))
	for _, key := range []string{"int-1", ""} {
		if _, err := srv.Publish(topic, pulsartest.Message{Payload: []byte(`{"Interaction":{"event":"InteractionCreated"}}`), Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	reader := streaming8x8.NewReader(srv.URL(), "acme", streaming8x8.AllEvents, pulsarws.From(pulsarws.Earliest),
		streaming8x8.APIKey("eght_1"), pulsarws.DialContext(srv.DialContext), pulsarws.Logger(quiet))
	defer reader.Close(t.Context())
	for _, key := range []string{"int-1", ""} {
		d, err := reader.Receive(t.Context())
		if err != nil || pulsarws.Key(&d.Event) != key || d.Event.Type != "InteractionCreated" {
			t.Errorf("key %q: %+v, %v", key, d, err)
		}
	}
}

// The pages disagree on whether control messages come by themselves, and on the
// type of endOfTopic. None of them is an event, and none may be acknowledged:
// the service would take that for a credit.
func TestReaderToHandlersPastControlMessages(t *testing.T) {
	srv := pulsartest.NewTestServer(t, pulsartest.APIKey("eght_1"))
	all, err := srv.Topic(topic)
	if err != nil {
		t.Fatal(err)
	}
	published := make(chan []string, 1)
	go func() {
		if err := srv.WaitConnected(t.Context(), 1); err != nil {
			t.Error(err)
		}
		for _, frame := range []string{`{"endOfTopic":false}`, `{"endOfTopic":"false"}`, `{"type":"isEndOfTopic","endOfTopic":"true"}`, `{"type":"isEndOfTopic","messageId":"CAEQAQ=="}`} {
			if n := all.Send([]byte(frame)); n != 1 {
				t.Errorf("%s went to %d readers", frame, n)
			}
		}
		_, want := publish(t, srv)
		published <- want
	}()
	reader := streaming8x8.NewReader(srv.URL(), "acme", streaming8x8.AllEvents,
		streaming8x8.APIKey("eght_1"), pulsarws.DialContext(srv.DialContext), pulsarws.Logger(quiet))
	const messages = 7
	got := watch(t, reader, messages)
	if want := <-published; !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	credits := 0
	for _, r := range srv.History() {
		if r.Op == pulsartest.OpCredit {
			credits++
		}
	}
	if credits > messages {
		t.Errorf("%d credits for %d messages", credits, messages)
	}
}
