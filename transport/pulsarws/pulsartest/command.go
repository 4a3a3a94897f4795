package pulsartest

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// Command is a kind of message from a client.
type Command string

// The commands, by their type; a message without a known type is an Ack.
const (
	Ack         Command = "ack"
	Nack        Command = "negativeAcknowledge"
	Permit      Command = "permit"
	Unsubscribe Command = "unsubscribe"
	EndOfTopic  Command = "isEndOfTopic"
	// Send is a message of a producer.
	Send Command = "send"
)

// command is a message of a consumer or reader, decoded.
type command struct {
	kind    Command
	id      []byte // aliases the message where it can; nil when there was none
	permits *int
}

var (
	ackHead = []byte(`{"messageId":"`)
	ackTail = []byte(`"}`)
	errNull = errors.New(`Cannot read field "type" because "command" is null`)
)

// decodeCommand reads one JSON value, as the service's JSON reader does: what
// follows the value, unknown members and double members do not matter.
func decodeCommand(data []byte) (command, error) {
	if id, ok := plainAck(data); ok {
		return command{kind: Ack, id: id}, nil
	}
	value, err := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true)).ReadValue()
	if err != nil {
		return command{}, err
	}
	if value.Kind() == 'n' {
		return command{}, errNull
	}
	var fields struct {
		Type    scalar `json:"type"`
		ID      scalar `json:"messageId"`
		Permits scalar `json:"permitMessages"`
	}
	if err := json.Unmarshal(value, &fields, jsontext.AllowDuplicateNames(true)); err != nil {
		return command{}, err
	}
	cmd := command{kind: Ack, id: fields.ID}
	if fields.Permits != nil {
		n, err := strconv.ParseInt(string(fields.Permits), 10, 32)
		if err != nil {
			return command{}, err
		}
		permits := int(n)
		cmd.permits = &permits
	}
	switch kind := Command(fields.Type); kind {
	case Nack, Permit, Unsubscribe, EndOfTopic:
		cmd.kind = kind
	}
	return cmd, nil
}

// scalar is the text of a string, a number or a boolean, which the service's
// JSON reader takes for one another; nil for null.
type scalar []byte

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (s *scalar) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	switch value.Kind() {
	case 'n':
		*s = nil
	case '"':
		text, err := jsontext.AppendUnquote([]byte{}, value)
		*s = text
		return err
	case '{', '[':
		return errors.New("Cannot deserialize value of type String")
	default:
		*s = append([]byte{}, value...)
	}
	return nil
}

// plainAck reads the acknowledgement as nearly every client writes it: compact
// and without escapes.
func plainAck(data []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(data, ackHead)
	if !ok {
		return nil, false
	}
	id, ok := bytes.CutSuffix(rest, ackTail)
	if !ok {
		return nil, false
	}
	for _, c := range id {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return nil, false
		}
	}
	return id, true
}

// command takes in a message of a consumer or reader. The caller holds mu.
func (c *session) command(data []byte) {
	cmd, err := decodeCommand(data)
	switch {
	case errors.Is(err, errNull):
		c.throw(err.Error())
		return
	case err != nil:
		c.unreadable(err.Error())
		if c.target.end == readerEnd {
			c.credit()
		}
		return
	}
	c.disturbCommand(cmd)
}

// act does what a command asks for. The caller holds mu.
func (c *session) act(cmd command) {
	switch {
	case cmd.kind == EndOfTopic:
		c.answerEnd()
	case c.target.end == readerEnd:
		c.s.record(c.note(Record{Op: OpCredit, MessageID: string(cmd.id)}))
		c.credit()
	case cmd.kind == Permit:
		if cmd.permits == nil {
			c.unreadable("Missing required permitMessages field for 'permit' command")
			return
		}
		c.s.record(c.note(Record{Op: OpPermit, Count: *cmd.permits}))
		if c.pull {
			c.permit(*cmd.permits)
		}
	case cmd.kind == Unsubscribe:
		c.unsubscribe()
	default:
		c.answer(cmd)
	}
}

// answerEnd tells whether the topics were terminated and all is done. A reader
// that has resumed behind the last message does not learn of it.
func (c *session) answerEnd() {
	id := c.target.end == readerEnd && c.params.start != "earliest" && c.params.start != "latest"
	ended := len(c.members) > 0 && (c.read || !id)
	for _, m := range c.members {
		ended = ended && m.sub.t.terminated && m.sub.backlog() == 0
	}
	text := "false"
	if ended {
		text = "true"
	}
	c.s.record(c.note(Record{Op: OpEndOfTopic, Detail: text}))
	c.reply([]byte(`{"endOfTopic":` + text + `}`))
}

func (c *session) reply(data []byte) {
	c.out = append(c.out, wsserver.AppendFrame(nil, wsserver.Text, true, data))
	c.Poke()
}

// unsubscribe deletes the subscription. The WebSocket stays open, and silent.
func (c *session) unsubscribe() {
	for _, m := range c.members {
		if len(m.sub.members) > 1 {
			c.unreadable("Failed to unsubscribe: Unconnected or shared consumer attempting to unsubscribe")
			return
		}
	}
	members := c.members
	c.unsubscribed = true
	c.leave()
	for _, m := range members {
		m.sub.stop()
		delete(m.sub.t.subs, m.sub.name)
	}
	c.queue = wsserver.FIFO[piece]{}
	c.s.record(c.note(Record{Op: OpUnsubscribe}))
}
