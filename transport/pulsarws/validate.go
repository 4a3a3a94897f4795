package pulsarws

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/eventdelivery/eds-go/internal/wslink"
)

// common returns what is wrong with the settings that all have.
func (s *settings) common() (all []error) {
	all = s.Settings.Validate()
	c := s.credential
	if c.query == "" && !isHeader(c.header) {
		all = append(all, wslink.Wrong("SecretHeader", c.header, "is no name of a header"))
	}
	if strings.ContainsFunc(s.authMethod, unicode.IsControl) {
		all = append(all, wslink.Wrong("AuthMethod", s.authMethod, "holds a control character"))
	}
	return all
}

// isHeader tells whether a header can have the name (RFC 9110, 5.6.2).
func isHeader(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	}) < 0
}

// received returns what is wrong with the settings of a Consumer or a Reader.
func (s *settings) received() (all []error) {
	if s.mapper == nil {
		all = append(all, wslink.Wrong("Map", "", "is nil"))
	}
	if n := s.queueSize; n < 1 || n > maxQueueSize {
		all = append(all, wslink.Wrong("ReceiverQueueSize", strconv.Itoa(n), "must be from 1 to "+strconv.Itoa(maxQueueSize)))
	}
	switch action, ok := s.params["cryptoFailureAction"]; {
	case !ok, action == "FAIL", action == "DISCARD", action == "CONSUME":
	default:
		all = append(all, wslink.Wrong("CryptoFailureAction", action, "must be FAIL, DISCARD or CONSUME"))
	}
	return all
}

// consumed returns what is wrong with the settings of a Consumer.
func (s *settings) consumed() (all []error) {
	wrong := func(setting, value, reason string) { all = append(all, wslink.Wrong(setting, value, reason)) }
	c := &s.consumer
	switch c.kind {
	case Exclusive, Failover, Shared, KeyShared, "":
	default:
		wrong("Subscribe", string(c.kind), "must be Exclusive, Failover, Shared or Key_Shared")
	}
	if s.Lease != nil && (c.kind == Shared || c.kind == KeyShared) {
		wrong("Lease", string(c.kind), "would keep all consumers but one from a subscription that several may share")
	}
	if c.ackTimeout != 0 && c.ackTimeout < time.Second {
		wrong("AckTimeout", c.ackTimeout.String(), "must be 1s or more")
	}
	if name, ok := s.params["consumerName"]; ok && strings.TrimSpace(name) == "" {
		wrong("ConsumerName", name, "must not be blank")
	}
	for _, d := range [...]struct{ param, setting string }{{"negativeAckRedeliveryDelay", "NackDelay"}, {"priorityLevel", "PriorityLevel"}} {
		if strings.HasPrefix(s.params[d.param], "-") {
			wrong(d.setting, s.params[d.param], "must not be negative")
		}
	}
	if c.deadLetter {
		if n := s.params["maxRedeliverCount"]; n == "0" || strings.HasPrefix(n, "-") {
			wrong("ServiceDeadLetters", n, "must be 1 or more")
		}
		if c.kind != Shared && c.kind != KeyShared {
			wrong("ServiceDeadLetters", string(c.kind), "needs a Shared or Key_Shared subscription: on others the service counts no redeliveries")
		}
		if t, ok := s.params["deadLetterTopic"]; ok {
			if _, err := parseTopic(t); err != nil {
				all = append(all, err)
			}
		}
	}
	return all
}

// readBy returns what is wrong with the settings of a Reader.
func (s *settings) readBy() (all []error) {
	r := &s.reader
	if r.start != Earliest && r.start != Latest && !validID(string(r.start)) {
		all = append(all, wslink.Wrong("From", string(r.start), "must be earliest, latest or a message id, which is base64"))
	}
	for _, d := range []struct {
		setting string
		value   time.Duration
	}{{"SaveEvery", r.saveEvery}, {"RedeliveryDelay", r.redelivery}} {
		if d.value <= 0 {
			all = append(all, wslink.Wrong(d.setting, d.value.String(), "must be above zero"))
		}
	}
	return all
}

// published returns what is wrong with the settings of a Publisher.
func (s *settings) published() (all []error) {
	if d := s.publisher.sendTimeout; d < time.Millisecond {
		all = append(all, wslink.Wrong("SendTimeout", d.String(), "must be 1ms or more"))
	}
	if s.publisher.key == nil {
		all = append(all, wslink.Wrong("PublishKey", "", "is nil"))
	}
	if n := s.publisher.maxBytes; n < 1<<10 {
		all = append(all, wslink.Wrong("MaxPublishBytes", strconv.Itoa(n), "must be 1024 or more"))
	}
	if name, ok := s.params["producerName"]; ok && strings.TrimSpace(name) == "" {
		all = append(all, wslink.Wrong("ProducerName", name, "must not be blank"))
	}
	if n, ok := s.params["batchingMaxMessages"]; ok && (n == "0" || strings.HasPrefix(n, "-")) {
		all = append(all, wslink.Wrong("Batching", n, "must be 1 or more messages"))
	}
	if d := s.params["batchingMaxPublishDelay"]; strings.HasPrefix(d, "-") {
		all = append(all, wslink.Wrong("Batching", d+"ms", "must not be a negative delay"))
	}
	switch name, ok := s.params["compressionType"]; {
	case !ok, name == "NONE", name == "LZ4", name == "ZLIB", name == "ZSTD", name == "SNAPPY":
	default:
		all = append(all, wslink.Wrong("Compression", name, "must be NONE, LZ4, ZLIB, ZSTD or SNAPPY"))
	}
	return all
}

// parsed reads the URL and the topic, and adds what is wrong with them.
func (s *settings) parsed(rawURL, rawTopic string, all *[]error) (*url.URL, topic) {
	u, err := s.URL(rawURL)
	if err != nil {
		*all = append(*all, err)
	}
	t, err := parseTopic(rawTopic)
	if err != nil {
		*all = append(*all, err)
	}
	return u, t
}

// config is what all links of this package have in common.
func config[S wslink.Session](s *settings, u *url.URL, e *endpoint, kind, name string) wslink.Config[S] {
	return wslink.Config[S]{
		Settings: s.Settings,
		Package:  "pulsarws",
		Kind:     kind, Name: name,
		Host: u.Host, Shown: e.shown(),
		Request: func(key string) (string, http.Header) { return e.request(key, nil) },
	}
}
