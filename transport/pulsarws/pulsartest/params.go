package pulsartest

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Numbers of the WebSocket service and of the Java client inside of it.
const (
	largestQueue    = 1000 // of messages, and the default
	defaultNack     = time.Minute
	shortestNack    = 100 * time.Millisecond
	shortestTimeout = 1000 // ms
)

// params are the query parameters of a consumer or reader.
type params struct {
	kind       Type
	durable    bool
	earliest   bool // of a new subscription
	queue      int  // receiverQueueSize
	name       string
	priority   int
	ackTimeout time.Duration
	nackDelay  time.Duration
	redeliver  int    // maxRedeliverCount; 0 for no dead letters
	deadLetter string // in full
	pull       bool
	topics     []string // v3
	pattern    *regexp.Regexp
	start      string // of a reader: earliest, latest or an id
}

// first returns the value of a parameter that is there, the first of several.
func first(q url.Values, name string) (string, bool) {
	values, ok := q[name]
	if !ok {
		return "", false
	}
	return values[0], true
}

// enum reads a parameter that has one of a few values.
func enum(q url.Values, name, standard string, values ...string) (string, *refusal) {
	value, ok := first(q, name)
	if !ok {
		return standard, nil
	}
	if !slices.Contains(values, value) {
		return "", invalid(fmt.Sprintf("Invalid %s %s", name, value))
	}
	return value, nil
}

// integer reads a number as Java's Integer.parseInt does.
func integer(q url.Values, name string, standard, least int) (int, *refusal) {
	text, ok := first(q, name)
	if !ok {
		return standard, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, invalid(fmt.Sprintf("For input string: %q", text))
	}
	if int(n) < least {
		return 0, invalid(fmt.Sprintf("%s needs to be >= %d", name, least))
	}
	return int(n), nil
}

// consumerParams reads the query of a consumer.
func consumerParams(q url.Values, t target) (p params, refused *refusal) {
	keep := func(r *refusal) {
		if refused == nil {
			refused = r
		}
	}
	text := func(name, standard string, values ...string) string {
		value, r := enum(q, name, standard, values...)
		keep(r)
		return value
	}
	number := func(name string, standard, least int) int {
		n, r := integer(q, name, standard, least)
		keep(r)
		return n
	}
	timeout := number("ackTimeoutMillis", 0, 0)
	if timeout != 0 && timeout < shortestTimeout {
		keep(invalid(fmt.Sprintf("Ack timeout should be greater than %d ms", shortestTimeout)))
	}
	p.ackTimeout = time.Duration(timeout) * time.Millisecond
	p.kind = Type(text("subscriptionType", string(Exclusive), string(Exclusive), string(Shared), string(Failover), string(KeyShared)))
	p.durable = text("subscriptionMode", "Durable", "Durable", "NonDurable") == "Durable"
	p.earliest = text("subscriptionInitialPosition", "Latest", "Latest", "Earliest") == "Earliest"
	p.queue = min(number("receiverQueueSize", largestQueue, 0), largestQueue)
	if name, ok := first(q, "consumerName"); ok {
		if strings.TrimSpace(name) == "" {
			keep(invalid("consumerName cannot be blank"))
		}
		p.name = name
	}
	p.priority = number("priorityLevel", 0, 0)
	delay := time.Duration(number("negativeAckRedeliveryDelay", int(defaultNack.Milliseconds()), 0)) * time.Millisecond
	p.nackDelay = max(delay, shortestNack)
	_, counted := q["maxRedeliverCount"]
	letter, named := first(q, "deadLetterTopic")
	if counted || named {
		if p.redeliver = number("maxRedeliverCount", 0, -1<<31); p.redeliver < 1 {
			keep(invalid("MaxRedeliverCount must be > 0."))
		}
		if !named {
			letter = t.topic + "-" + t.subscription + "-DLQ"
		}
		full, err := fullName(letter)
		if err != nil {
			keep(invalid(err.Error()))
		}
		p.deadLetter = full
	}
	pull, _ := first(q, "pullMode")
	p.pull = strings.EqualFold(pull, "true")
	if t.multi {
		keep(p.manyTopics(q))
	}
	return p, refused
}

// manyTopics reads the topics of v3.
func (p *params) manyTopics(q url.Values) *refusal {
	list, listed := first(q, "topics")
	pattern, matched := first(q, "topicsPattern")
	if listed == matched {
		return broken("exactly one of topics and topicsPattern is required")
	}
	if matched {
		if !strings.Contains(pattern, "://") {
			pattern = persistent + "://" + pattern
		}
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			return invalid(err.Error())
		}
		p.pattern = re
		return nil
	}
	for name := range strings.SplitSeq(list, ",") {
		full, err := fullName(strings.TrimSpace(name))
		if err != nil {
			return invalid(err.Error())
		}
		if !slices.Contains(p.topics, full) {
			p.topics = append(p.topics, full)
		}
	}
	return nil
}

// readerParams reads the query of a reader.
func readerParams(q url.Values) (params, *refusal) {
	p := params{kind: Exclusive, start: "latest"}
	n, refused := integer(q, "receiverQueueSize", largestQueue, 0)
	if refused != nil {
		return p, refused
	}
	p.queue = min(n, largestQueue)
	p.name, _ = first(q, "readerName")
	if start, _ := first(q, "messageId"); strings.TrimSpace(start) != "" {
		p.start = start
	}
	return p, nil
}

// producerParams checks the query of a producer and returns its name, and how
// it makes batches.
func producerParams(q url.Values) (name string, batches pile, refused *refusal) {
	keep := func(r *refusal) {
		if refused == nil {
			refused = r
		}
	}
	for name, least := range map[string]int{"sendTimeoutMillis": 0, "batchingMaxMessages": -1 << 31, "maxPendingMessages": 0, "batchingMaxPublishDelay": -1 << 31} {
		_, r := integer(q, name, 0, least)
		keep(r)
	}
	if text, ok := first(q, "initialSequenceId"); ok {
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			keep(invalid(fmt.Sprintf("For input string: %q", text)))
		}
	}
	for name, values := range map[string][]string{
		"hashingScheme":      {"JavaStringHash", "Murmur3_32Hash"},
		"messageRoutingMode": {"SinglePartition", "RoundRobinPartition", "CustomPartition"},
		"compressionType":    {"NONE", "LZ4", "ZLIB", "ZSTD", "SNAPPY"},
	} {
		_, r := enum(q, name, "", values...)
		keep(r)
	}
	name, _ = first(q, "producerName")
	enabled, _ := first(q, "batchingEnabled")
	batches.on = strings.EqualFold(enabled, "true")
	batches.most, _ = integer(q, "batchingMaxMessages", 1000, -1<<31)
	delay, _ := integer(q, "batchingMaxPublishDelay", 1, -1<<31)
	batches.delay = time.Duration(delay) * time.Millisecond
	return name, batches, refused
}
