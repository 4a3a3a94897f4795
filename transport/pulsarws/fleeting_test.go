package pulsarws

// fake time: all tests here run in a bubble

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/dedupe/lru"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// The messages of a non-persistent topic have one id for all. They are events
// of their own all the same, when they are handled side by side, and for
// dedupe; also beside a persistent topic, whose ids stay as they are.
func TestMessagesOfANonPersistentTopicAreEventsOfTheirOwn(t *testing.T) {
	const fleet = "non-persistent://acme/events/fleet"
	for name, c := range map[string]struct {
		topic string
		opts  []ConsumerOption
		lasts bool // what is published to aTopic comes as well
	}{
		"alone":   {topic: fleet},
		"beside":  {topic: aTopic, opts: []ConsumerOption{Topics(fleet)}, lasts: true},
		"pattern": {opts: []ConsumerOption{TopicsPattern("non-persistent://acme/events/.*")}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newStandIn(t)
				for _, topic := range []string{aTopic, fleet} {
					if _, err := s.Topic(topic); err != nil {
						t.Fatal(err)
					}
				}
				store, err := lru.New()
				if err != nil {
					t.Fatal(err)
				}
				var handled []string // payloads and ids
				app := eds.New(NewConsumer(s.URL(), c.topic, aSub, append(c.opts, DialContext(s.DialContext), Logger(quietly))...),
					eds.Concurrency(8), eds.Logger(quietly))
				app.Use(middleware.Dedupe(store))
				events := make(chan *eds.Event, 20)
				app.Handle("*", func(_ context.Context, e *eds.Event) error {
					time.Sleep(time.Second)
					events <- e
					return nil
				})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- app.Run(ctx) }()
				time.Sleep(time.Second)
				want := []string{"0", "1", "2", "3"}
				for _, p := range want {
					if id, err := s.Publish(fleet, pulsartest.Message{Payload: []byte(p)}); err != nil || id != mid(0, 0) {
						t.Fatalf("%s, %v", id, err)
					}
				}
				var lasting []string
				if c.lasts {
					lasting = s.publish("lasting")
					want = append(want, "lasting")
				}
				time.Sleep(time.Minute)
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
				for len(events) > 0 {
					e := <-events
					handled = append(handled, string(e.Payload))
					if string(e.Payload) == "lasting" && e.ID != lasting[0] {
						t.Errorf("id %s of a persistent message, want %s", e.ID, lasting[0])
					}
				}
				if slices.Sort(handled); !slices.Equal(handled, want) {
					t.Errorf("handled %q, want %q", handled, want)
				}
			})
		})
	}
}

// A second consumer, in another process or a later one, makes other ids.
func TestFleetingIDsAreOfOneConsumer(t *testing.T) {
	a, b := newFleeting(), newFleeting()
	if one, other := a.id(mid(0, 0)), b.id(mid(0, 0)); one == other {
		t.Errorf("%s twice", one)
	}
}
