package probe

import (
	"encoding/json"
	"maps"
	"net/http"

	"github.com/eventdelivery/eds-go/eds"
)

// App is what there is to ask: an *eds.App, or what stands for one in a test.
type App interface{ Health() eds.Health }

// Apps are the Apps of a process by name, such as that of their queue. The
// names are part of the answer.
type Apps map[string]App

// Handler answers two paths, to GET and HEAD:
//
//   - /livez with 200 unless an App was refused for good (eds.Health.Live):
//     then nothing but new credentials or settings help. Use it for a liveness
//     probe. A connection that is down is no reason to restart a process that
//     reconnects.
//   - /readyz with 200 while every App is connected or stands by and none is
//     shutting down (eds.Health.Ready). Use it for a readiness probe. Without
//     any App it is 503: nothing has begun.
//
// Otherwise the status is 503. Both have the same body, a JSON object that
// tells of each App by name: see Report. Other paths are 404, so mount it at
// the root, or behind http.StripPrefix.
//
// The Apps are those of the moment of the call; a nil one counts as one that
// has not begun. Asking is cheap, takes no longer than a lock, and may be done
// as often as you like, concurrently. Nobody is authenticated: the body tells
// names of queues and how much goes on, so serve it where only the operator's
// machines can reach.
func Handler(apps Apps) http.Handler {
	apps = maps.Clone(apps)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, apps, eds.Health.Live, true)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, apps, eds.Health.Ready, len(apps) > 0)
	})
	return mux
}

// answer writes what ok says of each App, and of all of them together.
func answer(w http.ResponseWriter, apps Apps, ok func(eds.Health) bool, all bool) {
	body := Report{OK: all, Apps: make(map[string]AppReport, len(apps))}
	for name, app := range apps {
		var h eds.Health
		if app != nil {
			h = app.Health()
		}
		r := report(h)
		r.OK = ok(h)
		body.OK = body.OK && r.OK
		body.Apps[name] = r
	}
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "the report cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !body.OK {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(text, '\n')) // nobody is left to tell
}
