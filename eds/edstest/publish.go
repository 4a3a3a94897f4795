package edstest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Publish puts an event into a queue and returns its id. It is delivered at
// once when somebody is connected, and else to whoever connects next.
// Publishing an id twice makes two events with that id.
//
// Over HTTP the same is done by POST /queues/{queue}/events with the header
// "Authorization: api-key KEY" and a JSON object:
//
//	{"eventType": "TENANT_ONBOARDED",     required
//	 "eventId": "...",                    optional, a new UUID otherwise
//	 "eventTs": "2026-03-20T14:30:00Z",   optional, now otherwise; any string
//	 "eventPayload": {...}}               optional, null otherwise; any JSON
//
// The answer is 202 with {"eventId": "..."}; 400 for another body, 401 without
// a key, 403 for a wrong one, 404 for an unknown queue, 413 above 16 MiB.
// Other members are ignored; timestamp and payload are passed on as they came.
//
// The error is ErrUnknownQueue, or says what is wrong with the event.
func (s *Server) Publish(queue string, e Event) (id string, err error) {
	ids, err := s.PublishAll(queue, []Event{e})
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// PublishAll puts events into a queue in one step, so that they are delivered
// in bulk, as a backlog is. When one of them is wrong none is published.
func (s *Server) PublishAll(queue string, events []Event) (ids []string, err error) {
	wire := make([]wireEvent, len(events))
	for i, e := range events {
		wire[i] = wireEvent{id: e.ID, kind: e.Type, payload: e.Payload}
		if e.Payload == nil {
			wire[i].payload = []byte("{}")
		}
		if !e.Time.IsZero() {
			wire[i].ts = timestamp(e.Time)
		}
	}
	return s.enqueue(queue, wire)
}

// PublishRaw puts a text message of any content into a queue, to be delivered
// in its turn. Where the message contains Receipt, that is replaced by a new
// receipt at each delivery, and the message is delivered until it is
// acknowledged; otherwise it is sent once. The id serves WaitAcked and
// WaitDelivered, and is not in the message.
func (s *Server) PublishRaw(queue string, frame []byte) (id string, err error) {
	q, err := s.find(queue)
	if err != nil {
		return "", err
	}
	head, tail, receipt := bytes.Cut(bytes.Clone(frame), []byte(Receipt))
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &message{id: "raw-" + s.uuid(), head: head, tail: tail, once: !receipt}
	q.add(m)
	q.wake()
	return m.id, nil
}

// enqueue checks all events and then adds them together.
func (s *Server) enqueue(name string, events []wireEvent) (ids []string, err error) {
	q, err := s.find(name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	for i := range events {
		if events[i].id == "" {
			events[i].id = s.uuid()
		}
	}
	s.mu.Unlock()

	messages := make([]*message, len(events))
	for i, e := range events {
		if e.ts == "" {
			e.ts = timestamp(time.Now())
		}
		head, tail, err := e.frame(name)
		if err != nil {
			return nil, err
		}
		messages[i] = &message{id: e.id, kind: e.kind, head: head, tail: tail}
		ids = append(ids, e.id)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		q.add(m)
	}
	q.wake()
	return ids, nil
}

// maxBody bounds a published event. EDS cannot deliver more than 128 KiB in
// one message; a test may want to.
const maxBody = 16 << 20

func (s *Server) publishRequest(w http.ResponseWriter, r *http.Request) {
	// What is left unread makes net/http keep the connection for half a second.
	defer func() { _, _ = io.CopyN(io.Discard, r.Body, 4*maxBody) }()
	if refused := s.authorize(r); refused != nil {
		http.Error(w, refused.text, refused.status)
		return
	}
	name := r.PathValue("queue")
	if _, err := s.find(name); err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if len(body) > maxBody {
		http.Error(w, fmt.Sprintf("the body is larger than %d bytes", maxBody), http.StatusRequestEntityTooLarge)
		return
	}
	e, err := parseBody(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ids, err := s.enqueue(name, []wireEvent{e})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = fmt.Fprintf(w, "{\"eventId\":%s}\n", quote(ids[0]))
}

// parseBody reads the body of a publishing request.
func parseBody(body []byte) (wireEvent, error) {
	var in struct {
		ID      *string        `json:"eventId"`
		Type    *string        `json:"eventType"`
		TS      *string        `json:"eventTs"`
		Payload jsontext.Value `json:"eventPayload"`
	}
	switch err := json.Unmarshal(body, &in); {
	case err != nil:
		return wireEvent{}, fmt.Errorf("the body is not an event: %w", err)
	case in.Type == nil || *in.Type == "":
		return wireEvent{}, errors.New("eventType is missing or empty")
	case in.ID != nil && *in.ID == "":
		return wireEvent{}, errors.New("eventId is empty; leave it out to have one generated")
	}
	e := wireEvent{kind: *in.Type, payload: orNull(in.Payload)}
	if in.ID != nil {
		e.id = *in.ID
	}
	if in.TS != nil {
		e.ts = *in.TS
	}
	return e, nil
}

func escape(segment string) string { return url.PathEscape(segment) }
