package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/handlers/jsonl"
)

// report prints what became of the events, by the service's account and the
// handlers', and returns an error when something is not as it should be.
func report(out io.Writer, s *service, d *desk, outcomes eds.Outcomes, published int, deadLetters string) error {
	var deliveries, connects int
	acked := make(map[string]bool)
	for _, r := range s.History() {
		switch r.Op {
		case edstest.OpDeliver, edstest.OpRedeliver:
			deliveries++
		case edstest.OpAck:
			acked[r.EventID] = true
		case edstest.OpConnect:
			connects++
		}
	}
	handled, repeated := 0, 0
	for _, runs := range d.runs {
		handled++
		if runs > 1 {
			repeated++
		}
	}
	var dead []string
	for e, err := range jsonl.Read(deadLetters) {
		if err != nil {
			return err
		}
		dead = append(dead, fmt.Sprintf("%s: %s", e.ID, e.Attributes["deadlettererror"]))
	}

	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name string, n int, remark string) { fmt.Fprintf(w, "%s\t%d\t%s\n", name, n, remark) }
	fmt.Fprintln(w)
	row("events published", published, "")
	row("  delivered", deliveries, fmt.Sprintf("over %d connections; the first was cut", connects))
	row("  acknowledged", len(acked), "")
	row("handled", handled, "one of them after a panic and a retry")
	row("  more than once", repeated, fmt.Sprintf("although %d were published twice", twice))
	row("of unknown types", unknown, "acknowledged, so that they hold nothing up")
	row("dead-lettered", len(dead), strings.Join(dead, "; "))
	row("lost", published-handled-unknown-len(dead), "")
	fmt.Fprintf(w, "\ndead letters\t%s\n", deadLetters)
	if err := w.Flush(); err != nil {
		return err
	}

	switch {
	case len(acked) != published:
		return fmt.Errorf("%d of %d events were acknowledged", len(acked), published)
	case handled != tenants+1 || repeated != 0:
		return fmt.Errorf("%d handled and %d of them repeatedly, want %d and none", handled, repeated, tenants+1)
	case len(dead) != 1 || !strings.HasPrefix(dead[0], poison):
		return fmt.Errorf("dead letters %q, want %s alone", dead, poison)
	case outcomes[eds.Unsupported] < unknown || d.panics == 0:
		return fmt.Errorf("outcomes %v after %d panics", outcomes, d.panics)
	}
	return nil
}
