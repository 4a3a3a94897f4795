package pulsarws

import (
	"strconv"
	"time"

	"github.com/eventdelivery/eds-go/transport/lease"
)

// SubscriptionType says how a subscription is shared. See
// https://pulsar.apache.org/docs/concepts-messaging/#subscription-types.
type SubscriptionType string

const (
	// Exclusive allows one consumer. Another one that comes is told 409, and
	// stands by.
	Exclusive SubscriptionType = "Exclusive"
	// Failover allows several, of which one gets all messages of a partition.
	Failover SubscriptionType = "Failover"
	// Shared spreads the messages over the consumers, in no order.
	Shared SubscriptionType = "Shared"
	// KeyShared spreads them by key, and keeps the order within a key.
	KeyShared SubscriptionType = "Key_Shared"
)

const (
	// defaultQueueSize is as many deliveries as an App holds unless told
	// otherwise (eds.Buffer).
	defaultQueueSize = 256
	// maxQueueSize is what the service cuts larger numbers to.
	maxQueueSize = 1000
	// forgets is after how long the service no longer knows a delivery by its
	// id (module pulsar-websocket, ConsumerHandler).
	forgets = time.Hour
)

type consumerSettings struct {
	kind       SubscriptionType
	topics     []string // more than the one that was named
	pattern    string
	pull       bool
	ackTimeout time.Duration
	deadLetter bool
}

// params are parameters of the query, in the words of the service.
type params map[string]string

func (s *settings) param(name, value string) {
	if s.params == nil {
		s.params = params{}
	}
	s.params[name] = value
}

// millis is how the service wants a duration.
func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// ReceiverQueueSize sets the window: how many deliveries may be unsettled at
// once before the service sends no more; 256 unless set, from 1 to 1000, the
// service's own limit. As many again may wait in the service, withheld from
// other consumers. With PullMode it bounds what is asked for. A Reader takes 1
// for 2: Pulsar 4.0.8 delivers nothing to a reader with 1 that begins after a
// message.
func ReceiverQueueSize(n int) ReceiverOption {
	return receiverOption(func(s *settings) { s.queueSize = n })
}

// CryptoFailureAction sets what becomes of messages that the service cannot
// decrypt: "FAIL" withholds them (the service's default), "DISCARD"
// acknowledges them away, "CONSUME" delivers them encrypted.
func CryptoFailureAction(action string) ReceiverOption {
	return receiverOption(func(s *settings) { s.param("cryptoFailureAction", action) })
}

// Subscribe sets the type of the subscription; Exclusive unless set. It is
// fixed as long as any consumer is connected: with another type the service
// answers 409, which is tried again, and of Shared and KeyShared logged as an
// error.
func Subscribe(t SubscriptionType) ConsumerOption {
	return consumerOption(func(s *settings) { s.consumer.kind = t })
}

// Standby has the consumer wait for a subscription that another one holds for
// as long as it takes, with a try about every second. Without it the pauses
// between tries grow, to half a minute at most. Either way the state is
// eds.Standby meanwhile. It is for Exclusive subscriptions: on the others nobody
// is refused, and Failover is a standby of Pulsar's own.
func Standby() ConsumerOption { return consumerOption(func(s *settings) { s.Patient = true }) }

// Lease is Standby for consumers that know of each other: of those with the
// same lease only its holder dials, so that a standby costs the service
// nothing, and takes over within a second after the other was closed, and
// within 4 after it died. The service's own 409 decides all the same; see the
// rules of package lease, whose constants say how long what takes. Close
// releases the lease. Each consumer needs a lease.Lease of its own; nil is the
// same as Standby. A Shared or Key_Shared subscription allows none.
func Lease(l lease.Lease) ConsumerOption {
	return consumerOption(func(s *settings) { s.Lease, s.Patient = l, true })
}

// FromEarliest has a subscription that does not exist yet begin with the
// oldest message of the topic; without it, with the first one that is
// published after it was made.
func FromEarliest() ConsumerOption {
	return consumerOption(func(s *settings) { s.param("subscriptionInitialPosition", "Earliest") })
}

// NonDurable has the subscription end with its last consumer: what comes
// meanwhile is not delivered.
func NonDurable() ConsumerOption {
	return consumerOption(func(s *settings) { s.param("subscriptionMode", "NonDurable") })
}

// Topics subscribes to these topics as well, over the endpoint v3 of Pulsar 3.2
// and later. Its messages do not tell which topic they are from.
func Topics(more ...string) ConsumerOption {
	return consumerOption(func(s *settings) { s.consumer.topics = append(s.consumer.topics, more...) })
}

// TopicsPattern subscribes to all topics that match a regular expression of
// the form tenant/namespace/EXPRESSION, over the endpoint v3. The topic that
// NewConsumer takes must then be empty.
func TopicsPattern(expression string) ConsumerOption {
	return consumerOption(func(s *settings) { s.consumer.pattern = expression })
}

// PullMode has the service send only what it was asked for: as many messages
// as ReceiverQueueSize says, and another one for each that was settled. The
// service fetches in advance all the same.
func PullMode() ConsumerOption {
	return consumerOption(func(s *settings) { s.consumer.pull = true })
}

// ConsumerName names the consumer in the service's statistics, and so in what
// an operator sees.
func ConsumerName(name string) ConsumerOption {
	return consumerOption(func(s *settings) { s.param("consumerName", name) })
}

// PriorityLevel has consumers with a lower number served first on a Shared
// subscription; 0, the first, unless set.
func PriorityLevel(n int) ConsumerOption {
	return consumerOption(func(s *settings) { s.param("priorityLevel", strconv.Itoa(n)) })
}

// AckTimeout has the service deliver again, on the same connection, what was
// not settled for d; 1 s at least, off unless set. The clock runs from when
// the service fetched the message, not from when it came here. Without it, an
// unsettled message comes again when the connection ends.
func AckTimeout(d time.Duration) ConsumerOption {
	return consumerOption(func(s *settings) {
		s.consumer.ackTimeout = d
		s.param("ackTimeoutMillis", millis(d))
	})
}

// NackDelay sets after how long the service delivers again what was given
// back; 60 s unless set, 100 ms at least. On Exclusive and Failover
// subscriptions all that is unsettled comes again then.
func NackDelay(d time.Duration) ConsumerOption {
	return consumerOption(func(s *settings) { s.param("negativeAckRedeliveryDelay", millis(d)) })
}

// ServiceDeadLetters has the service itself move a message to topic when it
// was given back after maxRedeliveries deliveries beyond the first; to
// TOPIC-SUBSCRIPTION-DLQ when topic is empty. It needs a Shared or Key_Shared
// subscription, and the counts are lost when the last consumer leaves. A topic
// that nobody subscribes to keeps nothing. An event is given back when its
// handler returns eds.Redeliver, and when it cannot be dead-lettered otherwise:
// a plain error does not bring it here.
//
// middleware.DeadLetter with Publish does the same without these limits.
func ServiceDeadLetters(maxRedeliveries int, topic string) ConsumerOption {
	return consumerOption(func(s *settings) {
		s.consumer.deadLetter = true
		s.param("maxRedeliverCount", strconv.Itoa(maxRedeliveries))
		if topic != "" {
			s.param("deadLetterTopic", topic)
		}
	})
}
