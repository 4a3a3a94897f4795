package eds

import "strconv"

// identity tells events apart: an ID is unique within its source only.
type identity struct{ source, id string }

// identityOf returns the identity of d's event, and whether a redelivery may
// join on it: what cannot be read has none that could be trusted.
func identityOf(d *Delivery) (id identity, joins bool) {
	return identity{d.Event.Source, d.Event.ID}, d.Event.ID != "" && d.Err == nil
}

// unjoined is the identity of a run that nothing joins: its number, behind a
// control character, with which no service begins an ID.
func unjoined(run uint64) identity {
	return identity{id: "\x00" + strconv.FormatUint(run, 10)}
}

// join adds a redelivery to the run of its event. A frame that came twice
// with the same receipt is dropped, since a receipt is acknowledged once.
func (l *lanes) join(r *run, d *Delivery) {
	if same(r.first, d) {
		l.outcomes[Duplicate]++
		return
	}
	for _, have := range r.later {
		if same(have, d) {
			l.outcomes[Duplicate]++
			return
		}
	}
	d.Event.Payload = nil // the run has its own
	r.later = append(r.later, d)
	l.count++
}

func same(a, b *Delivery) bool { return a.Receipt == b.Receipt && a.Tag == b.Tag }
