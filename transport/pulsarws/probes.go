package pulsarws

import (
	"errors"
	"net/http"

	"github.com/eventdelivery/eds-go/internal/wslink"
)

const (
	// refusals is how many times in a row the service may answer 500 before
	// the reader finds out whether it is the position that is refused.
	refusals = 5
	// proofs is how many times in a row it must accept another position, and
	// in between refuse this one again: once may be chance, when a service
	// that was down is up again.
	proofs = 3
)

// probes tell a position that the service refuses from a service that is down:
// Pulsar up to the patches of May 2026 answers both with 500 (apache/pulsar
// #25865). After some refusals dials are made that begin with the earliest
// message, in turns with the position.
type probes struct {
	refused  int
	accepted int // dials with another position
	asking   bool
	position string // that is in doubt
}

// prepare may change where the next connection begins.
func (p *probes) prepare(from *string) {
	doubt := p.refused >= refusals || p.accepted > 0 && p.refused > 0
	p.asking = doubt && *from != string(Earliest) && *from != string(Latest)
	if p.asking {
		p.refused, p.position = 0, *from
		*from = string(Earliest)
	}
}

// connected takes note of a connection, and returns why it is of no use: nil
// for one that begins at the position.
func (p *probes) connected() error {
	p.refused = 0
	if !p.asking {
		p.accepted = 0
		return nil
	}
	if p.accepted++; p.accepted < proofs {
		return errProbe
	}
	return wslink.Wrong("position", p.position, "the service refuses this position and accepts another one: "+
		"it is no message id, or one of another topic, or the topic has partitions; remove the cursor to begin anew, which repeats events or leaves some out")
}

// errProbe ends a connection that was made to see whether it can be.
var errProbe = errors.New("the service accepts another position")

// judge takes note of a refusal.
func (p *probes) judge(end *wslink.Ending) {
	if p.asking {
		p.asking, p.accepted = false, 0 // it is down
	}
	if end.Status == http.StatusInternalServerError {
		p.refused++
	} else {
		p.refused = 0
	}
	end.Alarm = end.Alarm || p.refused >= refusals
}

// judge says what an ending means.
func (r *Reader) judge(end *wslink.Ending) wslink.Class {
	if end.Status != 0 {
		r.probes.judge(end)
	}
	return judge(end, r.link.Status().Connects > 0)
}
