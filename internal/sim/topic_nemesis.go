package sim

import (
	"strconv"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// TopicNemeses are the disturbances of a Pulsar that concern everybody, with
// the mean times between them of a bad day.
func TopicNemeses(every time.Duration) []Nemesis {
	var shared []Nemesis
	for _, n := range Nemeses(every) {
		switch n.Name {
		case "closed by the service", "queue held by another": // said in other words below
		default:
			shared = append(shared, n)
		}
	}
	return append(shared, []Nemesis{
		{"closed by the service", 2 * every, func(w *World, n int) {
			w.Topic.server.Break([]pulsartest.Breakage{
				pulsartest.Close(1001, "idle"), pulsartest.Close(1005, ""), pulsartest.Close(1011, "thrown"), pulsartest.Reset(),
			}[n%4])
		}},
		{"deaf service", 4 * every, func(w *World, _ int) { w.Topic.server.Break(pulsartest.Mute()) }},
		{"dials refused", 2 * every, func(w *World, n int) {
			status := []int{409, 500, 503, 429}[n%4]
			how := pulsartest.Refuse(status)
			if status == 429 || status == 503 {
				how = how.With("Retry-After", strconv.Itoa(w.Seed.Pick(90, "retry after", n)))
			}
			w.refuse(how, w.Seed.Between(time.Second, 6*time.Minute, "refused", n))
		}},
		{"topic unloaded", 2 * every, func(w *World, _ int) { w.Topic.handle.Unload() }},
		{"service restarted", 4 * every, func(w *World, n int) {
			w.Topic.handle.Unload()
			w.Topic.server.Break(pulsartest.Close(1005, ""))
			w.refuse(pulsartest.Drop(), w.Seed.Between(time.Second, 2*time.Minute, "restart", n))
		}},
		{"cursor outage", 3 * every, func(w *World, n int) {
			w.Cursor.Down(true)
			w.Log.Record(history.Entry{Actor: "cursor", Op: history.Fault, Result: "cursor down"})
			time.Sleep(w.Seed.Between(time.Second, 2*time.Minute, "cursor", n))
			w.Cursor.Down(false)
		}},
	}...)
}

// refuse cuts all connections and lets nobody in for a while.
func (w *World) refuse(how pulsartest.DialAction, d time.Duration) {
	fault := w.Topic.server.OnDial(how, pulsartest.Always())
	w.each((*wire).cut)
	time.Sleep(d)
	fault.Cancel()
}
