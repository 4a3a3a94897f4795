package streaming8x8

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/vcc"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

// Map is the mapper of NewMapper without options.
var Map = NewMapper()

var errNoType = errors.New("streaming8x8: the payload names no event type")

// MapperOption is a setting of NewMapper.
type MapperOption func(*mapper)

type mapper struct{ crossTopic bool }

// CrossTopicID gives an event the same identity on every topic that it is
// published to, so that deduplication knows the one from the topic "all" when
// it comes from the topic of its type or of its agent: ID, Source and Queue
// are then made of msgInfo's instanceId, sequenceId and timestamp and of the
// type. An event whose msgInfo lacks one of them, as some of 8x8's samples do,
// keeps the identity of its message.
func CrossTopicID() MapperOption { return func(m *mapper) { m.crossTopic = true } }

// NewMapper returns what makes an event of a message of 8x8's.
//
//   - Type: of a body that wraps all its fields in one object, as in
//     {"Interaction":{"event":"InteractionCreated"}}, the inner "event", else
//     the name of the wrapper, such as AgentStatusChange; of a flat one "event"
//     or "eventType". A known type comes in the spelling of the catalogue in
//     handlers/eightbyeight, whatever its case; any other as it is.
//   - ID: "eventId" when there is one, else the message's. See CrossTopicID.
//   - Time: "interactionEventTS", else "statusEventTS", else a flat body's
//     "timestamp", else msgInfo's, else when the message was published. Never
//     "eventTS", which is the same in all events of an interaction.
//   - Attributes: those of the constants, where the body has them.
//   - Payload stays as it came, with its wrapper.
//
// Its error, for a payload that is no JSON object or that names no type at
// all, quotes nothing. The mapper may be used by several transports at once.
func NewMapper(opts ...MapperOption) pulsarws.Mapper {
	var m mapper
	for _, o := range opts {
		if o != nil {
			o(&m)
		}
	}
	return m.mapMessage
}

func (m mapper) mapMessage(msg *pulsarws.Message, e *eds.Event) error {
	s := scanners.Get().(*scanner) //nolint:forcetypeassert // the pool holds nothing else
	defer s.free()
	var b body
	if err := s.scan(msg.Payload, &b); err != nil {
		return err
	}
	e.Type = b.typeName()
	if id := b.eventID.text(); len(id) > 0 && len(id) <= maxText && utf8.Valid(id) && b.family == nil {
		e.ID = string(id)
	}
	if t := b.time(); !t.IsZero() {
		e.Time = t
	}
	s.attributes(&b, e)
	if e.Type == "" {
		return errNoType
	}
	if m.crossTopic {
		b.identify(e)
	}
	return nil
}

// typeName follows the rule that NewMapper tells.
func (b *body) typeName() string {
	of := first(b.event, b.family)
	if b.family == nil {
		of = first(b.event, b.eventType)
	}
	name := of.text()
	if known, ok := vcc.Canonical(name); ok {
		return known
	}
	return strings.ToValidUTF8(string(name), "\uFFFD")
}

func (b *body) time() time.Time {
	for _, v := range [...]value{b.interactionTime, b.statusTime} {
		if t := vcc.Seconds(string(v.text())); !t.IsZero() {
			return t
		}
	}
	if b.family == nil && len(b.timestamp) > 0 {
		if t, err := time.Parse(time.RFC3339, string(b.timestamp.text())); err == nil {
			return t
		}
	}
	return vcc.Millis(string(b.published.text()))
}

// identify makes the identity that CrossTopicID promises. "The topic of its
// type" stands in Queue for all topics.
func (b *body) identify(e *eds.Event) {
	instance := b.instanceID.text()
	sequence, ok := vcc.Whole(string(b.sequenceID.text()))
	published := vcc.Millis(string(b.published.text()))
	if !ok || published.IsZero() || len(instance) == 0 || len(instance) > maxText || b.eventID != nil && b.family == nil {
		return
	}
	e.ID = strconv.FormatInt(published.UnixMilli(), 10) + "-" + strconv.FormatInt(sequence, 10) + "-" + e.Type
	e.Source = "8x8:" + url.PathEscape(string(instance))
	e.Queue = e.Type
}
