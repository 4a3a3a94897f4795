package pulsartest

import (
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// FuzzCommand feeds a session what a client could send, and checks that the
// subscription stays whole and that bad commands end what they should.
func FuzzCommand(f *testing.F) {
	for _, seed := range []string{
		`{"messageId":"CAEQADAA"}`, `{"type":"negativeAcknowledge","messageId":"CAEQATAA"}`, `{"type":"permit","permitMessages":3}`,
		`{"type":"unsubscribe"}`, `{"type":"isEndOfTopic"}`, `{}`, `null`, `[]`, ``, `{"messageId":"!"}`, `{"messageId":5,"messageId":"x"}`,
		`{"messageId":"CP///////////wEQ////////////AQ=="}`, `{"type":"permit","permitMessages":-2147483648}`, `{"payload":"YQ==","properties":{"a":"b"}}`,
	} {
		for kind := range 4 {
			f.Add(kind, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, kind int, data []byte) {
		bad := 0
		s := NewServer(IdleTimeout(0), OnRecord(func(r Record) {
			if r.Op == OpBadCommand {
				bad++
			}
		}))
		defer s.Close()
		c := newSession(s, target{end: consumerEnd, topic: "persistent://a/b/c", subscription: "sub"})
		c.Session.Begin()
		c.params = params{kind: []Type{Exclusive, Shared, KeyShared, Exclusive}[kind&3], durable: true, queue: 4, earliest: true}
		s.mu.Lock()
		defer s.mu.Unlock()
		top := s.open(c.target.topic, true)
		if kind&3 == 3 {
			c.produces = top
			c.publish(data)
			if end := top.end(); end > 1 || end+int64(len(c.out)) == 0 && c.Lasting() {
				t.Fatalf("%q: %d messages, %d replies", data, end, len(c.out))
			}
			return
		}
		c.pull = kind&4 != 0
		c.max = 4
		for range 3 {
			if _, err := top.append(Message{}, nil, 0); err != nil {
				t.Fatal(err)
			}
		}
		c.subscribe(top)
		_, _, _ = c.Collect(nil)
		sub := top.subs["sub"]
		c.command(data)
		_, _, _ = c.Collect(nil)
		if backlog := sub.backlog(); backlog < 2 || backlog > 3 {
			t.Fatalf("%q: backlog %d", data, backlog)
		}
		if bad > 1 {
			t.Fatalf("%q: bad in %d ways", data, bad)
		}
		c.Release(wsserver.End{})
		if n := len(sub.held); n != 0 {
			t.Fatalf("%q: %d messages are held by nobody", data, n)
		}
	})
}

// FuzzMessageID checks that what is read is what was written.
func FuzzMessageID(f *testing.F) {
	for _, seed := range []string{"CAEQADAA", "CAwQABgAIAAwAQ==", "CAEQACAAMAE", "", "AAAA", "a\nb", "CP///////////wEQAA=="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := parseID(text)
		if err != nil {
			return
		}
		if strings.ContainsAny(text, "\r\n") {
			t.Fatalf("%q was accepted", text)
		}
		if id.partition < 0 {
			id.partition = -1
		}
		if id.batchIndex < 0 {
			id.batchIndex = -1
		}
		if id.batchSize < 0 {
			return // is written as a number of 64 bits, which nobody does
		}
		again, err := parseID(id.String())
		if err != nil || again != id {
			t.Fatalf("%q: %+v became %+v, %v", text, id, again, err)
		}
	})
}

// FuzzPath checks that a path names a topic or is refused.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{
		"/ws/v2/consumer/persistent/a/b/c/d?x=1", "/ws/v2/reader/persistent/a/b/c%2Fd", "/ws/v3/consumer/sub", "http://x/ws/v2", "/ws/v2/producer/non-persistent/a/b/%zz",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		got, refused := parsePath(uri)
		if refused != nil {
			if refused.status < 400 || refused.status > 599 {
				t.Fatalf("%q: status %d", uri, refused.status)
			}
			return
		}
		if !got.multi {
			if full, err := fullName(got.topic); err != nil || full != got.topic {
				t.Fatalf("%q: topic %q, %v", uri, full, err)
			}
		}
		if (got.end == consumerEnd) == (got.subscription == "") {
			t.Fatalf("%q: %+v", uri, got)
		}
	})
}
