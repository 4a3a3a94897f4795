package pulsarws

import (
	"crypto/rand"
	"strconv"
)

// fleeting makes ids of events for messages of non-persistent topics. All of
// them have the id 0:0 in the service (NonPersistentTopic.publishMessage), by
// which they would be taken for one event that comes again and again. None ever
// does come again. The zero value leaves all ids as they are.
type fleeting struct {
	prefix string // tells this receiver's from those of others; "" for none
	count  uint64
}

func newFleeting() fleeting { return fleeting{prefix: "-" + rand.Text() + "-"} }

// id returns the id of the event of a message.
func (f *fleeting) id(message string) string {
	if f.prefix == "" {
		return message
	}
	if p := placeOf(message); p.ledger != 0 || p.entry != 0 {
		return message // of a persistent topic beside the others
	}
	f.count++
	return message + f.prefix + strconv.FormatUint(f.count, 10)
}
