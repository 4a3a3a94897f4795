package pulsarws

import (
	"net/http"

	"github.com/eventdelivery/eds-go/internal/wslink"
)

// refusals is how many times in a row the service may answer 500 before the
// reader finds out whether it is the position that is refused.
const refusals = 5

// probes tell a position that the service refuses from a service that is down:
// Pulsar up to the patches of May 2026 answers both with 500 (apache/pulsar
// #25865). After some refusals one dial is made that begins with the earliest
// message: when that succeeds, it is the position.
type probes struct {
	refused  int
	asking   bool
	position string // that is in doubt
}

// prepare may change where the next connection begins.
func (p *probes) prepare(from *string) {
	p.asking = p.refused >= refusals && *from != string(Earliest) && *from != string(Latest)
	if p.asking {
		p.refused, p.position = 0, *from
		*from = string(Earliest)
	}
}

// judge takes note of a refusal.
func (p *probes) judge(end *wslink.Ending) {
	if p.asking = false; end.Status == http.StatusInternalServerError {
		p.refused++
	} else {
		p.refused = 0
	}
	end.Alarm = end.Alarm || p.refused >= refusals
}

// verdict is the end of a connection that the service accepted with another
// position.
func (p *probes) verdict() error {
	return wslink.Wrong("position", p.position, "the service refuses this position and accepts another one: "+
		"the message may lie in a topic that was deleted and made again; remove the cursor to begin anew, which repeats events or leaves some out")
}

// judge says what an ending means.
func (r *Reader) judge(end *wslink.Ending) wslink.Class {
	if end.Status != 0 {
		r.probes.judge(end)
	}
	return judge(end, r.link.Status().Connects > 0)
}
