package cursor

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/eventdelivery/eds-go/internal/faults"
)

// script plays a line of steps: "a" arrives, "+a" is settled, "<" rewinds.
// After each step it writes down the answer and the mark.
func script(m *Mark, steps string) string {
	var said []string
	for step := range strings.FieldsSeq(steps) {
		switch id, settle := strings.CutPrefix(step, "+"); {
		case step == "<":
			said = append(said, "<"+m.Rewind())
		case settle:
			if position, moved := m.Settle(id); moved {
				said = append(said, "="+position)
			}
		default:
			before := m.Position()
			a, missing := m.Arrived(id)
			word := id + ":" + a.String()
			if missing > 0 {
				word += fmt.Sprint("-", missing)
			}
			said = append(said, word)
			if p := m.Position(); p != before {
				said = append(said, "="+p)
			}
		}
	}
	return strings.Join(said, " ")
}

func TestMark(t *testing.T) {
	for name, c := range map[string]struct{ from, steps, want string }{
		"in order":                   {"", "a +a b +b", "a:fresh =a b:fresh =b"},
		"out of order":               {"", "a b c +b +c +a", "a:fresh b:fresh c:fresh =c"},
		"the hole holds it up":       {"", "a b c +a +c", "a:fresh b:fresh c:fresh =a"},
		"settled twice, or unknown":  {"", "a b +a +a +z +", "a:fresh b:fresh =a"},
		"twice on one connection":    {"", "a b c a +a b", "a:fresh b:fresh c:fresh a:open =a b:open"},
		"the stored id is settled":   {"p", "p a +a", "p:settled a:fresh =a"},
		"rewind before all":          {"", "a b +b < a b c", "a:fresh b:fresh < a:open b:settled c:fresh"},
		"rewind from the stored id":  {"p", "a b +a < b +b", "a:fresh b:fresh =a <a b:open =b"},
		"settled while it is due":    {"", "a b < +a a b +b a", "a:fresh b:fresh < =a a:settled b:open =b a:fresh"},
		"gone for ever":              {"", "a b c +b < c +c", "a:fresh b:fresh c:fresh < c:open-1 =b =c"},
		"all gone":                   {"", "a b < x +x", "a:fresh b:fresh < x:fresh-2 =x"},
		"gone, yet settled later":    {"", "a b < b +a +b", "a:fresh b:fresh < b:open-1 =b"},
		"gone, and then back":        {"", "a b < b a +b +a", "a:fresh b:fresh < b:open-1 a:fresh =b =a"},
		"gone twice":                 {"", "a b c d < a c < a d +a +d", "a:fresh b:fresh c:fresh d:fresh < a:open c:open-1 < a:open d:open-1 =a =d"},
		"settled and due, then gone": {"", "a b < +a b +b", "a:fresh b:fresh < =a b:open =b"},
		"two rewinds in a row":       {"", "a b c +a < < b < b c", "a:fresh b:fresh c:fresh =a <a <a b:open <a b:open c:open"},
		"the service went back":      {"m", "a b < x +x a b +a +b", "a:fresh b:fresh <m x:fresh-2 =x a:fresh b:fresh =a =b"},
		"no id at all":               {"", " a +a", "a:fresh =a"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := script(NewMark(c.from, nil), c.steps); got != c.want {
				t.Errorf("%s\n says %s\nwant %s", c.steps, got, c.want)
			}
		})
	}
	m := NewMark("p", nil)
	if a, missing := m.Arrived(""); a != Fresh || missing != 0 {
		t.Errorf("the empty id is %v, %d missing", a, missing)
	}
	if position, moved := m.Settle(""); position != "p" || moved {
		t.Errorf("the empty id settled: %q, %v", position, moved)
	}
}

// naive is the mark by its definition: a list of all that arrived, in the
// order in which it last did.
type naive struct {
	from string
	all  []naiveEntry
}

type naiveEntry struct {
	id      string
	settled bool
	gone    bool
}

func (n *naive) find(id string) int {
	return slices.IndexFunc(n.all, func(e naiveEntry) bool { return e.id == id && !e.gone })
}

// mark is the highest id such that it and all before it is settled.
func (n *naive) mark() string {
	mark := n.from
	for _, e := range n.all {
		switch {
		case e.gone:
		case e.settled:
			mark = e.id
		default:
			return mark
		}
	}
	return mark
}

func (n *naive) above() (open, settled int) {
	for _, e := range n.all {
		if !e.gone && !e.settled {
			open++
		} else if e.settled && !e.gone && open > 0 {
			settled++
		}
	}
	return open, settled
}

// world is a topic, a connection that reads it, and what a reader did.
type world struct {
	topic    []string        // all that was ever published, in order
	kept     int             // topic[:kept] is not retained any more
	next     int             // what the connection brings next
	brought  map[string]bool // by this connection
	mark     *Mark
	model    naive
	due      int // of the model: what was passed over since the rewind
	followed []string
	done     map[string]bool // settled, by any process
	lost     map[string]bool // fell out of the retention before a process could read it
	stored   string
}

func (w *world) publish() { w.topic = append(w.topic, fmt.Sprint("m", len(w.topic))) }

func (w *world) connect(from string) {
	w.next = slices.Index(w.topic, from) + 1
	w.brought = make(map[string]bool)
}

// begin starts a process from what the last one stored.
func (w *world) begin() {
	w.followed = nil
	w.mark = NewMark(w.stored, func(p string) { w.followed = append(w.followed, p) })
	w.model = naive{from: w.stored}
	w.due = 0
	w.connect(w.stored)
}

func (w *world) fatal(t *rapid.T, format string, args ...any) {
	t.Helper()
	t.Fatalf(format+"\ntopic %v from %d, next %d\nmodel %+v", append(args, w.topic, w.kept, w.next, w.model)...)
}

// TestMarkAgainstTheModel plays a reader whose connection ends, whose process
// ends, and whose topic forgets, and compares each answer with the naive mark.
// What a process finds when it starts from any mark is checked too: nothing
// that is retained and not settled lies before it.
func TestMarkAgainstTheModel(t *testing.T) {
	faults.Covers(t, "B40")
	rapid.Check(t, func(t *rapid.T) {
		w := &world{done: map[string]bool{}, lost: map[string]bool{}}
		w.begin()
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) {
				for range rapid.IntRange(1, 6).Draw(t, "n") {
					w.publish()
				}
			},
			"arrive":       w.arrive,
			"arrive_again": w.arrive, // more often than the rest
			"settle":       w.settle,
			"settle_again": w.settle,
			"twice": func(t *rapid.T) {
				live := w.live()
				if len(live) == 0 {
					t.Skip("nothing is known")
				}
				// The service says again what it said on this connection.
				e := w.model.all[rapid.SampledFrom(live).Draw(t, "entry")]
				if !w.brought[e.id] {
					t.Skip("that would be its first time")
				}
				a, missing := w.mark.Arrived(e.id)
				if want := arrivalOf(e); a != want || missing != 0 {
					// Below the mark it may be forgotten, which repeats it.
					w.fatal(t, "%s came twice: %v, %d missing, want %v", e.id, a, missing, want)
				}
			},
			"reconnect": func(t *rapid.T) {
				from := w.mark.Rewind()
				if from != w.model.mark() {
					w.fatal(t, "rewind to %q, want %q", from, w.model.mark())
				}
				w.connect(from)
				w.due = w.low()
			},
			"forget": func(t *rapid.T) {
				w.kept = min(w.kept+rapid.IntRange(1, 4).Draw(t, "n"), len(w.topic))
				for _, id := range w.topic[:w.kept] {
					w.lost[id] = true
				}
			},
			"crash": func(t *rapid.T) {
				w.stored = w.mark.Position()
				w.begin()
			},
			"": w.check,
		})
	})
}

// live returns the model's entries above the mark.
func (w *world) live() []int {
	var live []int
	for i := w.low(); i < len(w.model.all); i++ {
		if !w.model.all[i].gone {
			live = append(live, i)
		}
	}
	return live
}

// low is the index of the model's first entry above the mark.
func (w *world) low() int {
	for i, e := range w.model.all {
		if !e.gone && !e.settled {
			return i
		}
	}
	return len(w.model.all)
}

func arrivalOf(e naiveEntry) Arrival {
	if e.settled {
		return Settled
	}
	return Open
}

// arrive brings the next id of the connection, or again the one from which it
// was told to start, as some services may do.
func (w *world) arrive(t *rapid.T) {
	again := w.model.mark()
	if again != "" && w.next > 0 && w.topic[w.next-1] == again && rapid.Bool().Draw(t, "inclusive") {
		if a, missing := w.mark.Arrived(again); a != Settled || missing != 0 {
			w.fatal(t, "the position %s itself is %v, %d missing", again, a, missing)
		}
		return
	}
	w.next = max(w.next, w.kept)
	if w.next == len(w.topic) {
		t.Skip("nothing is published")
	}
	for range rapid.IntRange(1, 3).Draw(t, "n") {
		w.bring(t)
	}
}

// bring is the arrival of the next id.
func (w *world) bring(t *rapid.T) {
	if w.next == len(w.topic) {
		return
	}
	id := w.topic[w.next]
	w.next++
	w.brought[id] = true

	want, wantMissing := Fresh, 0
	known := w.model.find(id)
	if known >= 0 {
		want = arrivalOf(w.model.all[known])
	}
	upTo := known
	if known < 0 {
		upTo = len(w.model.all)
	}
	for i := w.due; i < upTo; i++ {
		if e := &w.model.all[i]; !e.gone {
			if !e.settled {
				wantMissing++
			}
			// What is settled and goes may as well stay: it holds up nothing.
			e.gone = !e.settled
		}
	}
	if known < 0 {
		w.model.all = append(w.model.all, naiveEntry{id: id})
		known = len(w.model.all) - 1
	}
	w.due = max(w.due, known+1)
	a, missing := w.mark.Arrived(id)
	if a != want || missing != wantMissing {
		w.fatal(t, "%s is %v with %d missing, want %v with %d", id, a, missing, want, wantMissing)
	}
}

func (w *world) settle(t *rapid.T) {
	if len(w.model.all) == 0 {
		t.Skip("nothing arrived")
	}
	// Anything, settled before or gone or not.
	i := rapid.IntRange(max(0, len(w.model.all)-8), len(w.model.all)-1).Draw(t, "entry")
	before := w.model.mark()
	e := &w.model.all[i]
	if !e.gone {
		e.settled = true
	}
	w.done[e.id] = true
	position, moved := w.mark.Settle(e.id)
	if want := w.model.mark(); position != want || moved != (want != before) {
		w.fatal(t, "settle %s: %q, moved %v; want %q after %q", e.id, position, moved, want, before)
	}
}

// check holds after each step.
func (w *world) check(t *rapid.T) {
	mark := w.mark.Position()
	if want := w.model.mark(); mark != want {
		w.fatal(t, "the mark is %q, want %q", mark, want)
	}
	at := slices.Index(w.topic, mark) + 1
	for _, id := range w.topic[:at] {
		if !w.done[id] && !w.lost[id] {
			w.fatal(t, "starting after %q skips %s", mark, id)
		}
	}
	for i, p := range w.followed {
		if i > 0 && slices.Index(w.topic, p) <= slices.Index(w.topic, w.followed[i-1]) {
			w.fatal(t, "moved from %s to %s", w.followed[i-1], p)
		}
	}
	if n := len(w.followed); n > 0 && w.followed[n-1] != mark {
		w.fatal(t, "moved was told %s last, the mark is %s", w.followed[n-1], mark)
	}
	open, settled := w.mark.Above()
	if wantOpen, _ := w.model.above(); open != wantOpen {
		w.fatal(t, "%d are open, want %d", open, wantOpen)
	}
	if settled < 0 {
		w.fatal(t, "%d are settled above the mark", settled)
	}
	if open == 0 && settled != 0 {
		w.fatal(t, "%d are settled above the mark, with none open", settled)
	}
	if held := int(w.mark.entries.end - w.mark.entries.first); held != 0 && w.mark.due == w.mark.entries.end && w.mark.entries.at(w.mark.entries.first).state != isOpen {
		w.fatal(t, "%d entries are held, and the first is not open", held)
	}
	if len(w.mark.index) > int(w.mark.entries.end-w.mark.entries.first) {
		w.fatal(t, "%d ids are known", len(w.mark.index))
	}
}

// Many settle at once: the mark ends at the newest, has moved in order, and
// was never ahead of what was settled.
func TestMarkConcurrently(t *testing.T) {
	const n, workers = 5000, 8
	ids := make([]string, n)
	place := make(map[string]int, n)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
		place[ids[i]] = i
	}
	var mu sync.Mutex
	settled := make(map[string]bool)
	last, below := -1, 0
	m := NewMark("", func(p string) {
		if place[p] <= last {
			t.Errorf("moved from %d to %s", last, p)
		}
		last = place[p]
		mu.Lock()
		defer mu.Unlock()
		for ; below <= last; below++ {
			if !settled[ids[below]] {
				t.Errorf("moved to %s, %s is not settled", p, ids[below])
			}
		}
	})
	work := make(chan string, 64)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			var batch []string
			flush := func() {
				for _, id := range slices.Backward(batch) { // out of order
					mu.Lock()
					settled[id] = true
					mu.Unlock()
					m.Settle(id)
				}
				batch = batch[:0]
			}
			for id := range work {
				if batch = append(batch, id); len(batch) == 5 {
					flush()
				}
			}
			flush()
		})
	}
	for _, id := range ids {
		if a, _ := m.Arrived(id); a != Fresh {
			t.Errorf("%s is %v", id, a)
		}
		work <- id
	}
	close(work)
	all.Wait()
	if p := m.Position(); p != ids[n-1] {
		t.Errorf("the mark is %s, want %s", p, ids[n-1])
	}
}

// What is not above the mark takes no memory, also after a jam.
func TestMarkLetsGo(t *testing.T) {
	m := NewMark("", nil)
	m.Arrived("first")
	const jam = 10_000
	for i := range jam {
		m.Arrived(fmt.Sprint(i))
		m.Settle(fmt.Sprint(i))
	}
	if open, settled := m.Above(); open != 1 || settled != jam {
		t.Errorf("%d open and %d settled above the mark", open, settled)
	}
	m.Settle("first")
	if len(m.index) != 0 || len(m.entries.slots) != 0 {
		t.Errorf("%d ids and room for %d are left", len(m.index), len(m.entries.slots))
	}
	if got := script(m, "a +a"); got != "a:fresh =a" {
		t.Errorf("afterwards: %s", got)
	}
}

// BenchmarkMark is an entry's whole way with a window of 256 that is settled
// in another order than it came.
func BenchmarkMark(b *testing.B) {
	const window = 256
	ids := make([]string, 1<<14)
	for i := range ids {
		ids[i] = fmt.Sprintf("CAwQABgAIAAwAQ%06d==", i)
	}
	m := NewMark("", nil)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.Arrived(ids[i%len(ids)])
		if i++; i%window == 0 {
			for j := range window {
				m.Settle(ids[(i-window+j*7%window)%len(ids)])
			}
		}
	}
}

// How much memory an entry takes that is settled above the mark, id included.
func BenchmarkMarkAhead(b *testing.B) {
	const entries = 100_000
	for b.Loop() {
		before := live()
		m := NewMark("", nil)
		m.Arrived("first")
		for i := range entries {
			id := fmt.Sprintf("CAwQABgAIAAwAQ%06d==", i)
			m.Arrived(id)
			m.Settle(id)
		}
		b.ReportMetric(float64(live()-before)/entries, "B/entry")
		runtime.KeepAlive(m)
	}
}

func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
