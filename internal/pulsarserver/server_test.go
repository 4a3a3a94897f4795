package pulsarserver_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/internal/pulsarserver"
)

// dial returns a connection, or the status of the refusal.
func dial(t *testing.T, url, token string) (*websocket.Conn, int) {
	t.Helper()
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	conn, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
	if err != nil {
		if resp == nil {
			return nil, 0
		}
		return nil, resp.StatusCode
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn, resp.StatusCode
}

// publish sends a message, and consume receives the next one of a
// subscription.
func publish(t *testing.T, s *pulsarserver.Server, topic, payload string) {
	t.Helper()
	conn, status := dial(t, s.URL+"/ws/v2/producer/persistent/"+topic, "")
	if conn == nil {
		t.Fatalf("the producer is refused: %d", status)
	}
	defer conn.CloseNow()
	sent := `{"payload":"` + base64.StdEncoding.EncodeToString([]byte(payload)) + `"}`
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(sent)); err != nil {
		t.Fatal(err)
	}
	var ack struct{ Result string }
	if read(t, conn, &ack); ack.Result != "ok" {
		t.Fatalf("%s is not published: %s", payload, ack.Result)
	}
}

func consume(t *testing.T, s *pulsarserver.Server, topic, subscription string) string {
	t.Helper()
	conn, status := dial(t, s.URL+"/ws/v2/consumer/persistent/"+topic+"/"+subscription, "")
	if conn == nil {
		t.Fatalf("the consumer is refused: %d", status)
	}
	defer conn.CloseNow()
	var m struct{ MessageID, Payload string }
	read(t, conn, &m)
	payload, err := base64.StdEncoding.DecodeString(m.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return string(payload)
}

func read(t *testing.T, conn *websocket.Conn, into any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, data, err := conn.Read(ctx)
	if err = errors.Join(err, json.Unmarshal(data, into)); err != nil {
		t.Fatal(err)
	}
}

func TestRealPulsarKeepsItsDataAcrossRestarts(t *testing.T) {
	s := pulsarserver.Start(t, pulsarserver.Set("webSocketMaxTextFrameSize", "1000"))
	topic := s.Topic()
	s.Subscribe(topic, "sub", "earliest")
	publish(t, s, topic, "first")

	idle, _ := dial(t, s.URL+"/ws/v2/reader/persistent/"+topic+"?messageId=latest", "")
	s.Stop()
	if _, _, err := idle.Read(t.Context()); websocket.CloseStatus(err) == -1 {
		t.Errorf("a stopped server ends connections with %v, want a goodbye", err)
	}
	if _, status := dial(t, s.URL, ""); status != 0 {
		t.Error("a stopped server answers")
	}
	s.Restart()
	if got := consume(t, s, topic, "sub"); got != "first" {
		t.Errorf("after a stop: %q", got)
	}

	idle, _ = dial(t, s.URL+"/ws/v2/reader/persistent/"+topic+"?messageId=latest", "")
	s.Kill()
	s.Kill()
	if _, _, err := idle.Read(t.Context()); err == nil || websocket.CloseStatus(err) != -1 {
		t.Errorf("a killed server ends connections with %v, want no goodbye", err)
	}
	s.Restart()
	publish(t, s, topic, "second")
	if got := consume(t, s, topic, "sub"); got != "first" {
		t.Errorf("after a kill: %q", got)
	}
	log, err := os.ReadFile(s.Log())
	if err != nil {
		t.Fatal(err)
	}
	// To register is worth two lines; more are about the one that was killed.
	if n := bytes.Count(log, []byte("/ledgers/available/")); n != 2 {
		t.Errorf("after a kill: %d lines about the storage's registration, want 2", n)
	}

	idle, _ = dial(t, s.URL+"/ws/v2/reader/persistent/"+topic, "")
	idle.Write(t.Context(), websocket.MessageText, make([]byte, 1001))
	if _, _, err := idle.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("a setting is ignored: %v, want 1009", err)
	}
}

func TestRealPulsarDoesAsTheAdministratorSays(t *testing.T) {
	s := pulsarserver.Shared(t)
	if other := pulsarserver.Shared(t); other.URL != s.URL {
		t.Errorf("two servers are shared, %s and %s", s.URL, other.URL)
	}
	ns := s.Namespace()
	s.AutoCreate(ns, false)
	missing := ns + "/missing"
	if conn, status := dial(t, s.URL+"/ws/v2/consumer/persistent/"+missing+"/sub", ""); conn != nil || status != http.StatusNotFound {
		t.Errorf("a topic that may not be created: status %d", status)
	}
	s.AutoCreate(ns, true)
	if conn, status := dial(t, s.URL+"/ws/v2/consumer/persistent/"+missing+"/sub", ""); conn == nil {
		t.Errorf("a topic that may be created: status %d", status)
	}

	s.CreateTenant("acme")
	if status, answer := s.Call(http.MethodPut, "namespaces/acme/events", nil); status != http.StatusNoContent {
		t.Errorf("namespace: %d %s", status, answer)
	}
	s.CreatePartitioned("acme/events/split", 2)
	publish(t, s, "acme/events/split-partition-1", "a")
	s.Delete("acme/events/split-partition-1")

	topic := ns + "/odd +;name"
	s.CreateTopic(topic)
	s.Subscribe(topic, "a b", "latest")
	s.Unload(topic)
	encoded := ns + "/odd%20%2B%3Bname"
	publish(t, s, encoded, "first")
	publish(t, s, encoded, "second")
	if n := s.Stats(topic).Subscriptions["a b"].Backlog; n != 2 {
		t.Errorf("a backlog of %d, want 2", n)
	}
	s.Skip(topic, "a b", 1)
	if got := consume(t, s, encoded, "a%20b"); got != "second" {
		t.Errorf("after a skip: %q", got)
	}
	s.Terminate(topic)
	if conn, status := dial(t, s.URL+"/ws/v2/producer/persistent/"+encoded, ""); conn != nil {
		t.Errorf("a terminated topic takes a producer: status %d", status)
	}
	s.Unsubscribe(topic, "a b")
	s.Retain(ns, 0, 0)
	s.Unload(topic)
	s.Trim(topic)
	if stats := s.Stats(topic); len(stats.Subscriptions) != 0 {
		t.Errorf("still subscribed: %v", stats.Subscriptions)
	}
}

func TestRealPulsarPauses(t *testing.T) {
	s := pulsarserver.Start(t)
	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, _, err := websocket.Dial(ctx, s.URL+"/ws/v2/producer/persistent/"+s.Topic(), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused server: %v", err)
	}
	s.Resume()
	publish(t, s, s.Topic(), "after all")
	s.Pause()
	s.Stop() // also when it is paused
}

func TestRealPulsarAsksForTokens(t *testing.T) {
	s := pulsarserver.Start(t, pulsarserver.WithTokens())
	ns := s.Namespace()
	s.Grant(ns, "reader", "consume")
	reader, producer := s.URL+"/ws/v2/reader/persistent/"+ns+"/topic", s.URL+"/ws/v2/producer/persistent/"+ns+"/topic"
	for _, c := range []struct {
		what, url, token string
		want             int
	}{
		{"no token", reader, "", 401},
		{"a wrong token", reader, "x.y.z", 401},
		{"a token that has ended", reader, s.Token("reader", -time.Hour), 401},
		{"a role that may not", producer, s.Token("reader", 0), 403},
		{"a role that may", reader, s.Token("reader", time.Hour), 101},
		{"the token in the query", reader + "?token=" + s.Token("reader", 0), "", 101},
	} {
		if _, status := dial(t, c.url, c.token); status != c.want {
			t.Errorf("%s: status %d, want %d", c.what, status, c.want)
		}
	}
}
