package pulsarws

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/linktest"
)

// settingsOf returns the settings that an error of Validate names.
func settingsOf(t *testing.T, err error) (got []string) {
	t.Helper()
	all, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err != nil {
			t.Errorf("%T: %v", err, err)
		}
		return nil
	}
	for _, e := range all.Unwrap() {
		ce, ok := errors.AsType[*eds.ConfigError](e)
		if !ok {
			t.Fatalf("%v", e)
		}
		got = append(got, ce.Setting)
	}
	if text := fmt.Sprintf("%v %#v", err, err); strings.Contains(text, "CANARY") {
		t.Errorf("%s", text)
	}
	return got
}

func TestValidate(t *testing.T) {
	const good = "wss://pulsar.example"
	for _, c := range []struct {
		url, topic, sub string
		opts            []ConsumerOption
		want            []string // settings
	}{
		{good, aTopic, aSub, nil, nil},
		{"wss://pulsar.example:8443/gateway?a=b", aTopic, aSub, nil, nil},
		{"ws://localhost:1", aTopic, aSub, nil, nil},
		{"ws://[::1]:80/", aTopic, aSub, nil, nil},
		{"ws://pulsar.example", aTopic, aSub, []ConsumerOption{Insecure(), nil}, nil},
		{good, "", aSub, []ConsumerOption{TopicsPattern("acme/events/.*")}, nil},
		{good, aTopic, aSub, []ConsumerOption{Topics("a/b/c")}, nil},
		{good, aTopic, aSub, []ConsumerOption{Subscribe(Shared), ServiceDeadLetters(1, "a/b/c"), AckTimeout(time.Second), NackDelay(0), PriorityLevel(0), ConsumerName("x")}, nil},

		{"https://pulsar.example", aTopic, aSub, nil, []string{"url"}},
		{"pulsar://pulsar.example", aTopic, aSub, nil, []string{"url"}},
		{"", aTopic, aSub, nil, []string{"url"}},
		{"wss://", aTopic, aSub, nil, []string{"url"}},
		{"wss://user:CANARY@pulsar.example", aTopic, aSub, nil, []string{"url"}},
		{"ws://user:CANARY@pulsar.example:x/%zz?k=CANARY", aTopic, aSub, nil, []string{"url"}},
		{"ws://pulsar.example?token=CANARY", aTopic, aSub, nil, []string{"url"}},
		{"ws://localhost.evil.example", aTopic, aSub, nil, []string{"url"}},
		{good, "orders", aSub, nil, []string{"topic"}},
		{good, "", aSub, nil, []string{"topic"}},
		{good, aTopic, "", nil, []string{"subscription"}},
		{good, aTopic, " ", nil, []string{"subscription"}},
		{good, aTopic, "..", nil, []string{"subscription"}},
		{good, aTopic, "\xff", nil, []string{"subscription"}},
		{good, aTopic, aSub, []ConsumerOption{Token(" \n")}, []string{"Token"}},
		{good, aTopic, aSub, []ConsumerOption{Token("CANARY\nX: y")}, []string{"Token"}},
		{good, aTopic, aSub, []ConsumerOption{SecretHeader("")}, []string{"SecretHeader"}},
		{good, aTopic, aSub, []ConsumerOption{SecretHeader("X: Y")}, []string{"SecretHeader"}},
		{good, aTopic, aSub, []ConsumerOption{AuthMethod("token\r\nX: y")}, []string{"AuthMethod"}},
		{good, aTopic, aSub, []ConsumerOption{Subscribe("shared")}, []string{"Subscribe"}},
		{good, aTopic, aSub, []ConsumerOption{Subscribe("Key-Shared")}, []string{"Subscribe"}},
		{good, aTopic, aSub, []ConsumerOption{ReceiverQueueSize(0)}, []string{"ReceiverQueueSize"}},
		{good, aTopic, aSub, []ConsumerOption{ReceiverQueueSize(1001)}, []string{"ReceiverQueueSize"}},
		{good, aTopic, aSub, []ConsumerOption{ReceiverQueueSize(-1)}, []string{"ReceiverQueueSize"}},
		{good, aTopic, aSub, []ConsumerOption{Map(nil)}, []string{"Map"}},
		{good, aTopic, aSub, []ConsumerOption{CryptoFailureAction("fail")}, []string{"CryptoFailureAction"}},
		{good, aTopic, aSub, []ConsumerOption{AckTimeout(999 * time.Millisecond)}, []string{"AckTimeout"}},
		{good, aTopic, aSub, []ConsumerOption{AckTimeout(-time.Second)}, []string{"AckTimeout"}},
		{good, aTopic, aSub, []ConsumerOption{ConsumerName(" ")}, []string{"ConsumerName"}},
		{good, aTopic, aSub, []ConsumerOption{NackDelay(-time.Second), PriorityLevel(-1)}, []string{"NackDelay", "PriorityLevel"}},
		{good, aTopic, aSub, []ConsumerOption{ServiceDeadLetters(1, "")}, []string{"ServiceDeadLetters"}},
		{good, aTopic, aSub, []ConsumerOption{Subscribe(Shared), ServiceDeadLetters(0, "x")}, []string{"ServiceDeadLetters", "topic"}},
		{good, aTopic, aSub, []ConsumerOption{Topics("x")}, []string{"topic"}},
		{good, "acme/events/a,b", aSub, []ConsumerOption{Topics("a/b/c")}, []string{"topic"}},
		{good, "acme/events/a,b", aSub, nil, nil},
		{good, aTopic, aSub, []ConsumerOption{TopicsPattern("a/b/.*")}, []string{"TopicsPattern"}},
		{good, "", aSub, []ConsumerOption{TopicsPattern("a/b/.*"), Topics("a/b/c")}, []string{"TopicsPattern"}},
		{good, aTopic, aSub, []ConsumerOption{HTTPClient(&http.Client{Transport: &linktest.Endless{}}),
			DialContext(func(context.Context, string, string) (net.Conn, error) { return nil, nil })}, []string{"DialContext"}},
		{"x://", "", "", []ConsumerOption{PingInterval(0), PongTimeout(-1), Backoff(0, -1), DialTimeout(0), WriteTimeout(0),
			MaxMessageBytes(10), Token(""), Map(nil), ReceiverQueueSize(0), Subscribe("x"), AckTimeout(1)},
			[]string{"url", "topic", "subscription", "Token", "PingInterval", "PongTimeout", "Backoff min", "DialTimeout", "WriteTimeout",
				"Backoff max", "MaxMessageBytes", "Map", "ReceiverQueueSize", "Subscribe", "AckTimeout"}},
	} {
		x := NewConsumer(c.url, c.topic, c.sub, c.opts...)
		err := x.Validate()
		if got := settingsOf(t, err); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%q, %q, %q: %v, want %v", c.url, c.topic, c.sub, got, c.want)
		}
		if err == nil {
			continue
		}
		if _, rerr := x.Receive(t.Context()); rerr == nil || rerr.Error() != err.Error() {
			t.Errorf("Receive = %v", rerr)
		}
		if err := x.Close(t.Context()); err != nil || x.Status() != (eds.Status{}) {
			t.Errorf("Close = %v, status %+v", err, x.Status())
		}
	}

	for _, c := range []struct {
		opts []ReaderOption
		want []string
	}{
		{nil, nil},
		{[]ReaderOption{From(Earliest), nil}, nil},
		{[]ReaderOption{From(After("CAcQATAA"))}, nil},
		{[]ReaderOption{From("Earliest?")}, []string{"From"}},
		{[]ReaderOption{From("")}, []string{"From"}},
		{[]ReaderOption{From("CAcQATA")}, []string{"From"}},
		{[]ReaderOption{SaveEvery(0), RedeliveryDelay(-1)}, []string{"SaveEvery", "RedeliveryDelay"}},
		{[]ReaderOption{ReceiverQueueSize(0), Map(nil), CryptoFailureAction("")}, []string{"Map", "ReceiverQueueSize", "CryptoFailureAction"}},
	} {
		r := NewReader(good, aTopic, c.opts...)
		err := r.Validate()
		if got := settingsOf(t, err); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("reader: %v, want %v", got, c.want)
		}
		if err != nil {
			if _, rerr := r.Receive(t.Context()); rerr == nil || rerr.Error() != err.Error() {
				t.Errorf("Receive = %v", rerr)
			}
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if got := settingsOf(t, NewReader(good, "non-persistent://"+aTopic).Validate()); fmt.Sprint(got) != "[topic]" {
		t.Errorf("reader of a topic that is not persistent: %v", got)
	}

	for _, c := range []struct {
		url, topic string
		opts       []PublisherOption
		want       []string
	}{
		{good, aTopic, []PublisherOption{nil, SendTimeout(time.Millisecond), MaxPublishBytes(1024), Compression("LZ4")}, nil},
		{"x", "x", []PublisherOption{SendTimeout(0), MaxPublishBytes(1023), Compression("GZIP"), DialTimeout(0), Token("\n")},
			[]string{"url", "topic", "Token", "DialTimeout", "SendTimeout", "MaxPublishBytes", "Compression"}},
		{good, aTopic, []PublisherOption{Batching(0, -time.Second)}, []string{"Batching", "Batching"}},
		{good, aTopic, []PublisherOption{ProducerName(" ")}, []string{"ProducerName"}},
	} {
		p, err := Publish(c.url, c.topic, c.opts...)
		if got := settingsOf(t, err); fmt.Sprint(got) != fmt.Sprint(c.want) || (p == nil) != (err != nil) {
			t.Errorf("publisher: %v, want %v", got, c.want)
		}
	}
}
