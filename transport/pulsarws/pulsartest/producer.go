package pulsartest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The codes of send-error (WebSocketError).
const (
	errUnreadable = 3
	errPayload    = 7
	errUnknown    = 8
)

// request is a message of a producer.
type request struct {
	Payload    *string            `json:"payload"`
	Properties map[string]*string `json:"properties"`
	Context    *string            `json:"context"`
	Key        *string            `json:"key"`
	EventTime  *string            `json:"eventTime"`
	DeliverAt  int64              `json:"deliverAt"`
	After      int64              `json:"deliverAfterMs"`
}

// publish takes in a message of a producer. The caller holds mu.
func (c *session) publish(data []byte) {
	value, err := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true)).ReadValue()
	var req request
	if err == nil {
		err = json.Unmarshal(value, &req, jsontext.AllowDuplicateNames(true))
	}
	if err != nil {
		c.refuseSend(errUnreadable, err.Error(), nil)
		return
	}
	in := c.planCommand(Moment{Conn: c.n, Topic: c.target.topic, Command: Send})
	switch {
	case in.lost:
	case in.fail != "":
		c.refuseSend(errUnknown, in.fail, req.Context)
	case in.delay > 0:
		c.later(in.delay, func() { c.send(req) })
	default:
		c.send(req)
	}
}

func (c *session) send(req request) {
	msg, err := req.message()
	if errors.Is(err, errNullProperty) {
		c.throw(err.Error())
		return
	}
	if err != nil {
		c.refuseSend(errPayload, err.Error(), req.Context)
		return
	}
	to := c.produces.route(msg.Key)
	if c.pile.on && msg.DeliverAt.IsZero() {
		c.heap(to, msg, req.Context)
		return
	}
	m, err := to.append(msg, nil, c.n)
	c.sent(m, err, req.Context)
}

// sent replies to a message.
func (c *session) sent(m *message, err error, context *string) {
	if err != nil {
		c.refuseSend(errUnknown, err.Error(), context)
		return
	}
	b := append([]byte(`{"result":"ok","messageId":"`), m.id...)
	c.reply(withContext(append(b, '"'), context))
}

var errNullProperty = errors.New("Need Non-Null value for key")

// message checks a request.
func (req *request) message() (Message, error) {
	var m Message
	if req.Payload == nil {
		return m, errors.New("null payload")
	}
	text := *req.Payload
	if strings.ContainsAny(text, "\r\n") {
		return m, fmt.Errorf("Invalid Base64 message-payload error=%w", errBase64)
	}
	payload, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		payload, err = base64.RawStdEncoding.DecodeString(text)
	}
	if err != nil {
		return m, fmt.Errorf("Invalid Base64 message-payload error=%w", errBase64)
	}
	m.Payload = payload
	for name, value := range req.Properties {
		if value == nil {
			return m, fmt.Errorf("%w: %s", errNullProperty, name)
		}
		if m.Properties == nil {
			m.Properties = map[string]string{}
		}
		m.Properties[name] = *value
	}
	if req.Key != nil {
		m.Key, m.keyed = *req.Key, true
	}
	if req.EventTime != nil {
		if m.EventTime, err = time.Parse(time.RFC3339Nano, *req.EventTime); err != nil {
			return m, fmt.Errorf("Text '%s' could not be parsed", *req.EventTime)
		}
		m.EventTime = m.EventTime.Truncate(time.Millisecond)
	}
	switch {
	case req.DeliverAt > 0:
		m.DeliverAt = time.UnixMilli(req.DeliverAt)
	case req.After > 0:
		m.DeliverAt = time.Now().Add(time.Duration(req.After) * time.Millisecond)
	}
	return m, nil
}

func (c *session) refuseSend(code int, text string, context *string) {
	c.s.record(c.note(Record{Op: OpSendError, Code: code, Detail: text}))
	b := []byte(`{"result":"send-error:` + strconv.Itoa(code) + `","errorMsg":`)
	c.reply(withContext(quoted(b, text), context))
}

// withContext ends a reply.
func withContext(b []byte, context *string) []byte {
	if context != nil {
		b = quoted(append(b, `,"context":`...), *context)
	}
	return append(b, `,"errorCode":0,"schemaVersion":0}`...)
}
