package pulsarws_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

var commandParities = []parity{
	// -1 stands for the end of TCP without a close frame.
	{name: "malformed_commands", check: func(t *testing.T, p *place) {
		topic := p.topic()
		for text, want := range map[string]websocket.StatusCode{
			`{}`:                             1011,
			`{"type":"foo"}`:                 1011,
			`{"messageId":null}`:             1011,
			`{"messageId":"!!!"}`:            1011,
			`{"messageId":5}`:                1011,
			`{"messageId":"CAEQ\nADAA"}`:     1011,
			`null`:                           1011,
			`{"type":"negativeAcknowledge"}`: 1011,
			nackText("a b"):                  1011,
			`no json`:                        -1,
			``:                               -1,
			`[]`:                             -1,
			`"x"`:                            -1,
			`{"messageId":"AAAA"}`:           -1,
			`{"messageId":"aGVsbG8="}`:       -1,
			`{"messageId":""}`:               -1,
			`{"messageId":{}}`:               -1,
			nackText("AAAA"):                 -1,
			`{"type":"permit"}`:              -1,
			`{"type":"permit","permitMessages":"many"}`: -1,
			"{\"messageId\":\"\xff\"}":                  1007,
		} {
			c := p.open(consumer(topic, "sub", "subscriptionType", "Shared"))
			c.send(text)
			if code := c.ended(); code != want {
				t.Errorf("%q: ended with %d, want %d", text, code, want)
			}
		}
		for text, want := range map[string]websocket.StatusCode{`no json`: -1, ``: -1, `[]`: -1, `null`: 1011} {
			r := p.open(reader(topic))
			r.send(text)
			if code := r.ended(); code != want {
				t.Errorf("reader, %q: ended with %d, want %d", text, code, want)
			}
		}
	}},
	// What was delivered to a connection that ends so is delivered again.
	{name: "malformed_command_loses_nothing", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.put(topic, "1", "2")
		path := consumer(topic, "sub")
		for _, text := range []string{`{}`, `no json`} {
			c := p.again(path)
			c.take("1", "2")
			c.send(text)
			c.ended()
		}
		p.again(path).take("1", "2")
	}},
	{name: "harmless_commands", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.put(topic, "1", "2", "3")
		c := p.open(consumer(topic, "sub", "receiverQueueSize", "1"))
		one := c.take("1")[0]
		if err := c.ws.Write(t.Context(), websocket.MessageBinary, []byte(`{"messageId":"`+one.MessageID+`"}`)); err != nil {
			t.Fatal(err)
		}
		c.silent() // a binary message is no command
		c.permit(5)
		c.silent() // nor is a permit in push mode
		c.send(` { "x": [1], "type": "acknowledge", "messageId": "` + one.MessageID + `" } trailing`)
		c.ack(c.take("2")[0])
		c.take("3")
	}},
	{name: "envelope", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.put(topic, "plain")
		p.putAs(topic, `"key":"a b\"c","properties":{"n":"v","e":""},"eventTime":"2016-08-30T16:45:57.780Z"`, []string{"", "full"})
		c := p.open(consumer(topic, "sub"))
		got := c.take("plain", "", "full")
		time := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,2}[1-9]|\.\d?[1-9])?(Z|[+-]\d\d:\d\d)$`)
		for i, members := range []string{
			"messageId payload properties publishTime redeliveryCount",
			"messageId payload properties publishTime redeliveryCount eventTime key",
			"messageId payload properties publishTime redeliveryCount eventTime key",
		} {
			if order := membersOf(t, got[i].raw); order != members {
				t.Errorf("members %q, want %q", order, members)
			}
			if !time.MatchString(got[i].PublishTime) {
				t.Errorf("publishTime %s", got[i].PublishTime)
			}
		}
		full := got[2]
		if full.Key != `a b"c` || full.Properties["n"] != "v" || full.Properties["e"] != "" || len(full.Properties) != 2 {
			t.Errorf("envelope %s", full.raw)
		}
		if !strings.HasSuffix(full.EventTime, ":57.78Z") || !time.MatchString(full.EventTime) {
			t.Errorf("eventTime %s", full.EventTime)
		}
	}},
	{name: "malformed_publications", check: func(t *testing.T, p *place) {
		topic := p.topic()
		w := p.open(producer(topic))
		for text, want := range map[string]string{
			`no json`:                                    "send-error:3",
			`{"payload":{}}`:                             "send-error:3",
			`{"context":"1"}`:                            "send-error:7",
			`{"payload":null,"context":"1"}`:             "send-error:7",
			`{"payload":"!!!","context":"1"}`:            "send-error:7",
			`{"payload":"MQ==","context":"1"}`:           "ok",
			`{"payload":"MQ","context":"1"}`:             "ok",
			`{"payload":"MQ==","eventTime":"yesterday"}`: "send-error:7",
		} {
			w.send(text)
			if f := w.next(); f.Result != want {
				t.Errorf("%s: %s, want %s", text, f.raw, want)
			}
		}
		w.close()
	}},
	{name: "long_requests", check: func(t *testing.T, p *place) {
		topic := p.topic()
		if status := p.refused(consumer(topic, "sub", "x", strings.Repeat("x", 9<<10))); status != http.StatusRequestURITooLong {
			t.Errorf("a request line of 9 KiB: %d", status)
		}
	}},
}

// membersOf returns the names of a JSON object's members in their order.
func membersOf(t *testing.T, text string) string {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	var names []string
	depth, name := 0, true
	for {
		token, err := dec.Token()
		if err != nil {
			return strings.Join(names, " ")
		}
		switch token {
		case json.Delim('{'):
			depth++
			continue
		case json.Delim('}'):
			depth--
			name = true
			continue
		}
		if depth != 1 {
			continue
		}
		if name {
			names = append(names, fmt.Sprint(token))
		}
		name = !name
	}
}
