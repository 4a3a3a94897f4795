package pulsartest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

func TestProducerReplies(t *testing.T) {
	for text, want := range map[string]string{
		`{"payload":"YQ=="}`:                       `{"result":"ok","messageId":"CAEQADAA","errorCode":0,"schemaVersion":0}`,
		`{"payload":"","context":"a\"b"}`:          `{"result":"ok","messageId":"CAEQADAA","context":"a\"b","errorCode":0,"schemaVersion":0}`,
		`{"payload":"YQ==","sequenceId":1,"x":{}}`: `{"result":"ok","messageId":"CAEQADAA","errorCode":0,"schemaVersion":0}`,
		`no json`:                                            `{"result":"send-error:3"`,
		`{"payload":5,"context":`:                            `{"result":"send-error:3"`,
		`{"payload":"!","context":"1"}`:                      `{"result":"send-error:7","errorMsg":"Invalid Base64 message-payload error=Illegal base64 character","context":"1"`,
		`{"context":"1"}`:                                    `{"result":"send-error:7","errorMsg":"null payload","context":"1"`,
		`{"payload":"YQ==","eventTime":"now"}`:               `{"result":"send-error:7"`,
		`{"payload":"YQ==","eventTime":"2026-01-01 10:00"}`:  `{"result":"send-error:7"`,
		`{"payload":"YQ==","eventTime":"2026-03-01T00:00Z"}`: `{"result":`,
	} {
		in(t, func(t *testing.T, s *pulsartest.Server) {
			p := dial(t, s, producerPath(""))
			p.send(text)
			if e := p.next(); !strings.HasPrefix(e.raw, want) {
				t.Errorf("%s: reply %s, want %s", text, e.raw, want)
			}
			p.send(`{"payload":"YQ=="}`) // the session stays open
			if e := p.next(); e.Result != "ok" {
				t.Errorf("after %s: %s", text, e.raw)
			}
		})
	}
}

func TestNullPropertyThrows(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		p := dial(t, s, producerPath(""))
		p.send(`{"payload":"YQ==","properties":{"a":null}}`)
		if code := p.ended(); code != websocket.StatusInternalError {
			t.Errorf("closed with %d", code)
		}
	})
}

func TestProducerNames(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		p := dial(t, s, producerPath("producerName=a"))
		if status := refused(t, s, producerPath("producerName=a")); status != http.StatusConflict {
			t.Errorf("second of a name: %d", status)
		}
		dial(t, s, producerPath(""))
		dial(t, s, producerPath(""))
		p.close()
		dial(t, s, producerPath("producerName=a"))
	})
}

func TestSendFaults(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		p := dial(t, s, producerPath(""))
		failed := s.OnCommand(pulsartest.Send, pulsartest.Fail("too slow"))
		late := s.OnCommand(pulsartest.Send, pulsartest.Delay(time.Minute))
		p.send(`{"payload":"YQ==","context":"1"}`)
		if e := p.next(); !strings.HasPrefix(e.raw, `{"result":"send-error:8","errorMsg":"too slow","context":"1"`) {
			t.Errorf("reply %s", e.raw)
		}
		if failed.Count() != 1 || late.Count() != 1 {
			t.Errorf("faults %d and %d", failed.Count(), late.Count())
		}
		if n := len(handle(t, s, topic).Messages()); n != 0 {
			t.Errorf("%d messages", n)
		}
	})
}

func TestTerminatedWhileProducing(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		p := dial(t, s, producerPath(""))
		handle(t, s, topic).Terminate()
		p.send(`{"payload":"YQ==","context":"1"}`)
		if e := p.next(); e.Result != "send-error:8" || e.Context != "1" {
			t.Errorf("reply %s", e.raw)
		}
	})
}

// The order of the members, and what is left out, are as seen on Pulsar 4.0.8.
func TestEnvelope(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		for _, m := range []pulsartest.Message{
			{Payload: []byte("a")},
			{Properties: map[string]string{"k": "v", "e": "", "\"<é": "\n"}, Key: "user-1", EventTime: time.UnixMilli(1772359199120)},
			{EventTime: time.UnixMilli(0)},
		} {
			if _, err := s.Publish(topic, m); err != nil {
				t.Fatal(err)
			}
		}
		sleep(120 * time.Millisecond)
		publish(t, s, "b")
		dial(t, s, producerPath("")).send(`{"payload":"","key":""}`)
		for i, e := range c.expect("a", "", "", "b", "") {
			want := []string{
				`{"messageId":"CAEQADAA","payload":"YQ==","properties":{},"publishTime":"2000-01-01T01:00:00+01:00","redeliveryCount":0}`,
				`{"messageId":"CAEQATAA","payload":"","properties":{"\"<é":"\n","e":"","k":"v"},"publishTime":"2000-01-01T01:00:00+01:00","redeliveryCount":0,"eventTime":"2026-03-01T10:59:59.12+01:00","key":"user-1"}`,
				`{"messageId":"CAEQAjAA","payload":"","properties":{},"publishTime":"2000-01-01T01:00:00+01:00","redeliveryCount":0}`,
				`{"messageId":"CAEQAzAA","payload":"Yg==","properties":{},"publishTime":"2000-01-01T01:00:00.12+01:00","redeliveryCount":0}`,
				`{"messageId":"CAEQBDAA","payload":"","properties":{},"publishTime":"2000-01-01T01:00:00.12+01:00","redeliveryCount":0,"key":""}`,
			}[i]
			if e.raw != want || e.kind != websocket.MessageText {
				t.Errorf("envelope %d: %s\nwant %s", i, e.raw, want)
			}
		}
	}, pulsartest.TimeZone(time.FixedZone("", 3600)))
}

func TestBatchIDs(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		ids := publish(t, s, "1")
		if ids[0] != "CAEQACAAMAE=" {
			t.Errorf("id %q", ids[0])
		}
		c.ack(c.expect("1")[0])
		acked(t, s, "sub", ids...)
	}, pulsartest.BatchIDs())
}
