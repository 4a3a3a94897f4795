package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

const (
	shown    = 12 // lines of a list
	examples = 3  // of the same rule that was broken
)

// tell prints the table.
func tell(out io.Writer, v verdict) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name string, n any, remark string) { fmt.Fprintf(w, "%s\t%v\t%s\n", name, n, remark) }
	row("published", v.published, "")
	row("delivered", v.deliveries, fmt.Sprintf("%d of them again", v.deliveries-v.published))
	row("in the stream", v.inStream, times(v.twiceInStream))
	row("acknowledged", v.acked, "to the service")
	row("handled", v.handled, fmt.Sprintf("%d runs failed on purpose, %d dead letters", v.failed, v.parked))
	row("lost", v.events-v.handled, "")
	row("handled twice", len(v.twice), byCause(v.twice))
	row("kills", len(v.kills), v.byKind())
	row("receivers", len(v.takeOvers), "take-overs, from the kill to the first delivery to another: "+spread(v.takeOvers))
	row("inherited", len(v.inherited), "events, from the kill of their worker to their next run: "+spread(v.inherited))
	row("events/s", fmt.Sprintf("%.0f", float64(v.handled)/max(v.took.Seconds(), 0.001)), fmt.Sprintf("in %.1f s", v.took.Seconds()))
	w.Flush()

	b.WriteString("\n")
	fmt.Fprintf(w, "worker\tlives\thandled\tshare\n")
	for _, s := range v.shares {
		fmt.Fprintf(w, "%s\t%d\t%d\t%.1f %%\n", s.name, s.lives, s.handled, 100*float64(s.handled)/float64(max(v.handled, 1)))
	}
	w.Flush()
	v.list(&b, w, "handled twice", "handled by", v.twice)
	v.list(&b, w, "twice in the stream", "appended by", v.twiceInStream)
	v.complain(&b)
	if len(v.violations) == 0 {
		b.WriteString("\nNothing was lost, and every repetition is explained by a kill.\n")
	}
	_, _ = io.WriteString(out, "\n"+b.String())
}

// complain shows how often each rule was broken, and examples.
func (v *verdict) complain(b *strings.Builder) {
	counts := map[string]int{}
	for _, x := range v.violations {
		rule := x.half + ": " + x.Rule
		if counts[rule]++; counts[rule] > examples {
			continue
		}
		fmt.Fprintf(b, "\nVIOLATION in the %s: %v\n", x.half, x.Violation)
		for _, e := range x.around[:min(len(x.around), 30)] {
			fmt.Fprintf(b, "  %v\n", e)
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(b, "\nBROKEN %s, %d times", rule, counts[rule])
	}
	if len(counts) > 0 {
		b.WriteString("\n")
	}
}

func times(all []again) string {
	if len(all) == 0 {
		return "each once"
	}
	return fmt.Sprintf("%d entries more: %s", len(all), byCause(all))
}

// byCause counts repetitions by what explains them, and the kills that do.
func byCause(all []again) string {
	counts, kills := map[string]int{}, map[string]map[int]bool{}
	for _, a := range all {
		counts[a.cause]++
		if kills[a.cause] == nil {
			kills[a.cause] = map[int]bool{}
		}
		kills[a.cause][a.kill] = true
	}
	parts := []string{}
	for _, cause := range slices.Sorted(maps.Keys(counts)) {
		if cause == "unexplained" {
			continue
		}
		parts = append(parts, fmt.Sprintf("%d after %d times %s", counts[cause], len(kills[cause]), cause))
	}
	return strings.Join(append(parts, fmt.Sprintf("%d unexplained", counts["unexplained"])), ", ")
}

func (v *verdict) byKind() string {
	counts := map[string]int{}
	for _, k := range v.kills {
		counts[k.kind]++
	}
	return fmt.Sprintf("%d workers, %d receivers (%d stood by), %d times redis", counts[worker], counts[receiver], v.standby, counts[store])
}

func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	all = slices.Sorted(slices.Values(all))
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
	return fmt.Sprintf("median %v, longest %v", round(all[len(all)/2]), round(all[len(all)-1]))
}

// list prints the repetitions that one kill explains in one line.
func (v *verdict) list(b *strings.Builder, w *tabwriter.Writer, title, verb string, all []again) {
	if len(all) == 0 {
		return
	}
	byKill := map[int][]again{}
	for _, a := range all {
		byKill[a.kill] = append(byKill[a.kill], a)
	}
	fmt.Fprintf(b, "\n")
	fmt.Fprintf(w, "%s\tkill\tof\tat\tfor example\t%s\tand by\n", title, verb)
	at := func(t time.Time) string { return fmt.Sprintf("%.3f s", t.Sub(v.began).Seconds()) }
	kills := slices.SortedFunc(maps.Keys(byKill), func(a, b int) int { return cmp.Compare(a, b) })
	for i, number := range kills {
		if i == shown {
			fmt.Fprintf(w, "...\t%d more\n", len(kills)-shown)
			break
		}
		of, life, when := byKill[number], "nothing known", "-"
		if number > 0 {
			life, when = v.kills[number-1].life, at(v.kills[number-1].at)
		}
		a := of[0]
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s at %s\t%s at %s\n", len(of), number, life, when,
			a.event, a.first.Actor, at(a.first.Time), a.second.Actor, at(a.second.Time))
	}
	w.Flush()
}

// keep writes what was seen, by time, one JSON object per line.
func keep(path string, f facts) error {
	all := slices.Concat(f.service, f.driver)
	for _, a := range f.appended {
		all = append(all, history.Entry{Time: time.UnixMilli(a.id.ms), Actor: "stream", Op: "append", Event: a.event, Receipt: a.id.String()})
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	buf := bufio.NewWriter(file)
	enc := json.NewEncoder(buf)
	for _, e := range inOrder(all) {
		if err := enc.Encode(brief(e)); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	return errors.Join(buf.Flush(), file.Close())
}
