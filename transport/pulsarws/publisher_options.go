package pulsarws

import (
	"strconv"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

type publisherSettings struct {
	key         func(*eds.Event) string
	sendTimeout time.Duration
	maxBytes    int
}

// PublishKey sets how to find the partition key of an event, which keeps the
// order among events of the same key; Key unless set. There is none where f
// returns "".
func PublishKey(f func(*eds.Event) string) PublisherOption {
	return publisherOption(func(s *settings) { s.publisher.key = f })
}

// SendTimeout sets for how long one message may take, reconnecting included;
// 30 s unless set, which is what the service allows itself.
func SendTimeout(d time.Duration) PublisherOption {
	return publisherOption(func(s *settings) { s.publisher.sendTimeout = d })
}

// MaxPublishBytes limits the message that is sent, the payload in base64 with
// its properties; 1 MiB unless set, the service's own default
// (webSocketMaxTextFrameSize). It ends the connection over a larger one.
func MaxPublishBytes(n int) PublisherOption {
	return publisherOption(func(s *settings) { s.publisher.maxBytes = n })
}

// ProducerName names the producer in the service. A name can be used by one
// producer at a time: another one that comes is told 409, and stands by.
func ProducerName(name string) PublisherOption {
	return publisherOption(func(s *settings) { s.param("producerName", name) })
}

// Compression has the service store the messages compressed: by "LZ4", "ZLIB",
// "ZSTD" or "SNAPPY".
func Compression(name string) PublisherOption {
	return publisherOption(func(s *settings) { s.param("compressionType", name) })
}

// RoundRobin spreads messages without a key over the partitions of a topic;
// without it they go to one.
func RoundRobin() PublisherOption {
	return publisherOption(func(s *settings) { s.param("messageRoutingMode", "RoundRobinPartition") })
}

// Batching has the service store up to n messages that come within delay as
// one entry.
func Batching(n int, delay time.Duration) PublisherOption {
	return publisherOption(func(s *settings) {
		s.param("batchingEnabled", "true")
		s.param("batchingMaxMessages", strconv.Itoa(n))
		s.param("batchingMaxPublishDelay", millis(delay))
	})
}
