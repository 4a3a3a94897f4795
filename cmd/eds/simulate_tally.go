package main

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// tally counts what a simulator did and saw.
type tally struct {
	mu  sync.Mutex
	ops map[pulsartest.Op]int
}

func (t *tally) count(r pulsartest.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ops == nil {
		t.ops = map[pulsartest.Op]int{}
	}
	t.ops[r.Op]++
}

// print writes the counts for a person; what did not happen is left out.
func (t *tally) print(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var parts []string
	for _, part := range []struct {
		what string
		ops  []pulsartest.Op
	}{
		{"published", []pulsartest.Op{pulsartest.OpPublish}},
		{"delivered", []pulsartest.Op{pulsartest.OpDeliver}},
		{"delivered again", []pulsartest.Op{pulsartest.OpRedeliver}},
		{"acknowledged by consumers", []pulsartest.Op{pulsartest.OpAck}},
		{"acknowledged by readers", []pulsartest.Op{pulsartest.OpCredit}},
		{"given back", []pulsartest.Op{pulsartest.OpNack}},
		{"dead-lettered", []pulsartest.Op{pulsartest.OpDeadLetter}},
		{"acknowledgements without effect", []pulsartest.Op{pulsartest.OpAckDuplicate, pulsartest.OpAckUnknown, pulsartest.OpAckRefused}},
		{"bad commands", []pulsartest.Op{pulsartest.OpBadCommand}},
		{"connections", []pulsartest.Op{pulsartest.OpConnect}},
		{"refused", []pulsartest.Op{pulsartest.OpRefuse}},
	} {
		n := 0
		for _, op := range part.ops {
			n += t.ops[op]
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, part.what))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing happened"}
	}
	fmt.Fprintln(w, "stopped:", strings.Join(parts, ", "))
}
