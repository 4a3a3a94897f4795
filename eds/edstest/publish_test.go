package edstest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds/edstest"
)

// post publishes over HTTP and returns the status and the answer.
func post(t *testing.T, s *edstest.Server, method, url string, header http.Header, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := httpClient(t, s).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

func TestPublishRequests(t *testing.T) {
	const queue, other, elsewhere = edstest.DefaultQueue, "other", edstest.DefaultQueue + "/x"
	good := key(edstest.DefaultKey)
	for _, row := range []struct {
		name   string
		queue  string
		header http.Header
		body   string
		status int
		want   string // the framePayload, without receipt and generated values
	}{
		{"whole", queue, good, `{"eventId":"a","eventType":"T","eventTs":"2026-03-20T14:30:00.000Z","eventPayload":{"n":1e400, "s":"\u00e9"}}`, 202,
			`{"eventId":"a","eventType":"T","eventTs":"2026-03-20T14:30:00.000Z","queueName":"test-queue","eventPayload":{"n":1e400, "s":"\u00e9"}}`},
		{"only_a_type", queue, good, `{"eventType":"T"}`, 202, `{"eventType":"T","queueName":"test-queue","eventPayload":null}`},
		{"odd_timestamp_is_passed_on", queue, good, `{"eventId":"b","eventType":"T","eventTs":"yesterday"}`, 202,
			`{"eventId":"b","eventType":"T","eventTs":"yesterday","queueName":"test-queue","eventPayload":null}`},
		{"any_payload_is_passed_on", queue, good, `{"eventId":"c","eventType":"T","eventTs":"x","eventPayload":12345678901234567890}`, 202,
			`{"eventId":"c","eventType":"T","eventTs":"x","queueName":"test-queue","eventPayload":12345678901234567890}`},
		{"other_members_are_ignored", queue, good, `{"eventId":"d","eventType":"T","eventTs":"x","receiptId":"no"}`, 202,
			`{"eventId":"d","eventType":"T","eventTs":"x","queueName":"test-queue","eventPayload":null}`},
		{"null_id_is_generated", queue, good, `{"eventId":null,"eventType":"T"}`, 202, `{"eventType":"T","queueName":"test-queue","eventPayload":null}`},
		{"quotes_in_names", queue, good, `{"eventId":"\"\\","eventType":"T\n","eventTs":"x"}`, 202,
			`{"eventId":"\"\\","eventType":"T\n","eventTs":"x","queueName":"test-queue","eventPayload":null}`},
		{"no_key", queue, nil, `{"eventType":"T"}`, 401, ""},
		{"wrong_key", queue, key("wrong"), `{"eventType":"T"}`, 403, ""},
		{"unknown_queue", other, good, `{"eventType":"T"}`, 404, ""},
		{"unknown_queue_and_wrong_key", other, key("wrong"), `{"eventType":"T"}`, 403, ""},
		{"unknown_queue_and_bad_body", other, good, `{`, 404, ""},
		{"unknown_path", elsewhere, good, `{"eventType":"T"}`, 404, ""},
		{"empty_body", queue, good, ``, 400, ""},
		{"not_json", queue, good, `{"eventType":"T"`, 400, ""},
		{"more_than_one_value", queue, good, `{"eventType":"T"}{"eventType":"T"}`, 400, ""},
		{"array", queue, good, `[{"eventType":"T"}]`, 400, ""},
		{"null", queue, good, `null`, 400, ""},
		{"no_type", queue, good, `{"eventId":"x"}`, 400, ""},
		{"empty_type", queue, good, `{"eventType":""}`, 400, ""},
		{"null_type", queue, good, `{"eventType":null}`, 400, ""},
		{"numeric_type", queue, good, `{"eventType":7}`, 400, ""},
		{"other_case", queue, good, `{"EventType":"T"}`, 400, ""},
		{"empty_id", queue, good, `{"eventType":"T","eventId":""}`, 400, ""},
		{"numeric_id", queue, good, `{"eventType":"T","eventId":7}`, 400, ""},
		{"numeric_timestamp", queue, good, `{"eventType":"T","eventTs":7}`, 400, ""},
		{"name_twice", queue, good, `{"eventType":"T","eventType":"U"}`, 400, ""},
		{"invalid_utf8", queue, good, "{\"eventType\":\"T\xff\"}", 400, ""},
		{"too_deep", queue, good, `{"eventType":"T","eventPayload":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, 400, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, newServer makeServer) {
				s := newServer()
				url := s.PublishURL(row.queue)
				if row.queue == elsewhere {
					url = s.PublishURL(queue) + "/x"
				}
				status, answer := post(t, s, "POST", url, row.header, row.body)
				if status != row.status {
					t.Fatalf("status %d (%s), want %d", status, answer, row.status)
				}
				if n := len(s.Queue().Unacked()); (status == http.StatusAccepted) != (n == 1) {
					t.Errorf("status %d, and %d events were published", status, n)
				}
				if status == http.StatusAccepted {
					checkEvent(t, dial(t, s), answer, row.want)
				}
			})
		})
	}
}

// checkEvent reads an event that has the id of the answer, and the members of
// want byte for byte.
func checkEvent(t *testing.T, c *client, answer, want string) {
	t.Helper()
	var accepted struct{ EventID string }
	if err := json.Unmarshal([]byte(answer), &accepted); err != nil || accepted.EventID == "" {
		t.Fatalf("answer %q, %v", answer, err)
	}
	_, message, err := c.message()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Payload map[string]json.RawMessage `json:"framePayload"`
	}
	if err := json.Unmarshal(message, &got); err != nil {
		t.Fatal(err)
	}
	if id, _ := json.Marshal(accepted.EventID); !bytes.Equal(got.Payload["eventId"], id) {
		t.Errorf("the answer names %s, the event is %s", id, got.Payload["eventId"])
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(want), &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range members {
		if !bytes.Equal(got.Payload[name], value) {
			t.Errorf("%s is %s, want %s", name, got.Payload[name], value)
		}
	}
}

func TestPublishRequestRefusesOtherMethodsAndHugeBodies(t *testing.T) {
	s := edstest.NewTestServer(t)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if status, _ := post(t, s, "GET", s.PublishURL(edstest.DefaultQueue), key(edstest.DefaultKey), ""); status != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d", status)
	}
	body := `{"eventType":"T","eventPayload":"` + strings.Repeat("x", 16<<20) + `"}`
	if status, _ := post(t, s, "POST", s.PublishURL(edstest.DefaultQueue), key(edstest.DefaultKey), body); status != http.StatusRequestEntityTooLarge {
		t.Errorf("huge body: status %d", status)
	}
}

func TestQueueNamesAreEscaped(t *testing.T) {
	const name = "a/b & ü?#"
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.Queues(name))
		status, answer := post(t, s, "POST", s.PublishURL(name), key(edstest.DefaultKey), `{"eventType":"T"}`)
		if status != http.StatusAccepted || s.Queue(name).Counts().Waiting != 1 {
			t.Errorf("status %d (%s), %+v", status, answer, s.Queue(name).Counts())
		}
	})
}

func TestPublishRefusesWhatIsNoEvent(t *testing.T) {
	s := edstest.NewTestServer(t)
	if _, err := s.Publish("other", edstest.Event{Type: "T"}); !errors.Is(err, edstest.ErrUnknownQueue) {
		t.Error(err)
	}
	for _, e := range []edstest.Event{{}, {Type: "T", Payload: []byte("{")}, {Type: "T", Payload: []byte{}}} {
		if _, err := s.Publish(edstest.DefaultQueue, e); err == nil {
			t.Errorf("%+v was published", e)
		}
		if _, err := s.PublishAll(edstest.DefaultQueue, []edstest.Event{{Type: "T"}, e}); err == nil {
			t.Errorf("%+v was published after another", e)
		}
	}
	if got := s.Queue().Unacked(); len(got) != 0 {
		t.Errorf("published: %q", got)
	}
}

// The same id published twice is two events to acknowledge.
func TestSameIDTwice(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		for range 2 {
			if _, err := s.Publish(edstest.DefaultQueue, edstest.Event{ID: "x", Type: "T"}); err != nil {
				t.Fatal(err)
			}
		}
		one, two := c.wantEvent("x"), c.wantEvent("x")
		c.ack(one)
		if got := s.Queue().Unacked(); len(got) != 1 {
			t.Errorf("unacked %q", got)
		}
		c.ack(two)
		if err := s.WaitAcked(soon(t), "x"); err != nil {
			t.Error(err)
		}
	})
}
