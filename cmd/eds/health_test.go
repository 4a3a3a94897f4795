package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/eds/probe"
)

var healthURL = regexp.MustCompile(`health on (http://[^"\s]+)`)

// health waits for the address at which the command is watched.
func (c *command) health() (url string) {
	c.t.Helper()
	c.until("the address of --health-addr", func(_, err string) bool {
		found := healthURL.FindStringSubmatch(err)
		if found != nil {
			url = found[1]
		}
		return found != nil
	})
	return url
}

// fetch returns the status and the body of an answer.
func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req := must[*http.Request](t)(http.NewRequestWithContext(watchdog(t), http.MethodGet, url, nil))
	resp := must[*http.Response](t)(client.Do(req))
	defer resp.Body.Close()
	return resp.StatusCode, string(must[[]byte](t)(io.ReadAll(resp.Body)))
}

// answers asks until the answer is as it should be, and returns it.
func (c *command) answers(url, what string, fits func(status int, body string) bool) string {
	c.t.Helper()
	for {
		status, body := fetch(c.t, url)
		if fits(status, body) {
			return body
		}
		if c.ctx.Err() != nil {
			c.t.Fatalf("%s: waited for %s in vain; now it is %d %s", url, what, status, body)
		}
	}
}

// isReport tells an answer with this status and this state of "orders".
func isReport(status int, state string) func(int, string) bool {
	return func(got int, body string) bool {
		var r probe.Report
		return got == status && json.Unmarshal([]byte(body), &r) == nil && r.Apps["orders"].State == state
	}
}

func TestHealthFromBeginningToEnd(t *testing.T) {
	srv := service(t)
	e := endpointFor(t)
	release := make(chan struct{})
	slow := e.Server.Config.Handler
	e.Server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-release
		slow.ServeHTTP(w, r)
	})
	dials := srv.OnDial(edstest.Refuse(503), edstest.Always())
	c := start(t, forwarding(srv, e, "--health-addr", "127.0.0.1:0", "--reconnect-min", "10ms", "--reconnect-max", "20ms"))
	url := c.health()
	c.answers(url+"/readyz", "connecting", isReport(503, "connecting"))
	c.answers(url+"/livez", "life", isReport(200, "connecting"))
	dials.Cancel()
	c.answers(url+"/readyz", "the connection", isReport(200, "connected"))

	// While the queue is held, the second one is as ready as can be.
	second := start(t, forwarding(srv, e, "--health-addr", "127.0.0.1:0"))
	secondURL := second.health()
	second.answers(secondURL+"/readyz", "standing by", isReport(200, "standby"))
	second.stops()

	id := publish(t, srv, "ORDER", `{"secret":"`+canary+`"}`)
	body := c.answers(url+"/readyz", "an event at work", func(_ int, body string) bool { return strings.Contains(body, `"running":1`) })
	if strings.Contains(body, canary) || strings.Contains(body, id) {
		t.Errorf("the event shows: %s", body)
	}
	c.signal(os.Interrupt)
	c.answers(url+"/readyz", "the drain", func(status int, body string) bool {
		return status == 503 && strings.Contains(body, `"draining":true`)
	})
	if status, body := fetch(t, url+"/livez"); status != 200 {
		t.Errorf("a process that drains does not live: %s", body)
	}
	close(release)
	c.exits(0)
	acked(t, srv, id)
	if conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		conn.Close()
		t.Error("somebody still listens")
	}
}

// A key that was refused ends the command; the answer is for what runs beside.
func TestHealthOfARefusal(t *testing.T) {
	h, err := (&healthFlags{HealthAddr: "127.0.0.1:0"}).listen(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	refused := &refusedApp{}
	h.serve(probe.Apps{"orders": refused})
	for path, want := range map[string]int{"/livez": 503, "/readyz": 503, "/": 404} {
		if status, body := fetch(t, "http://"+h.listener.Addr().String()+path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

type refusedApp struct{}

func (*refusedApp) Health() eds.Health { return eds.Health{Transport: eds.Status{State: eds.Refused}} }

func TestHealthAddress(t *testing.T) {
	srv := service(t)
	taken := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer taken.Close()
	for _, row := range []struct {
		addr string
		code int
		want string
	}{
		{taken.Addr().String(), 1, taken.Addr().String() + ": bind: address already in use"},
		{"8080", 2, `--health-addr "8080": must be HOST:PORT`},
		{"localhost:http-alt", 2, `--health-addr "localhost:http-alt": the port`},
		{":65536", 2, `--health-addr ":65536": the port`},
	} {
		code, _, errs := invoke(t, listening(srv, "--health-addr", row.addr)...)
		if code != row.code || !strings.Contains(errs, row.want) {
			t.Errorf("%s: exit %d: %s", row.addr, code, errs)
		}
	}
	if len(records(srv, edstest.OpConnect)) > 0 {
		t.Error("it connected before it knew its address")
	}
}

// family is a metric as it is scraped.
type family struct {
	kind   string
	labels map[string]bool
}

var (
	typeLine   = regexp.MustCompile(`(?m)^# TYPE ((?:eds|messaging)_\w+) (\w+)$`)
	sampleLine = regexp.MustCompile(`(?m)^((?:eds|messaging)_\w+?)(?:_bucket|_sum|_count)?\{(.*)\} \S+$`)
	labelName  = regexp.MustCompile(`(\w+)="`)
)

// scraped are the metrics of our own in an answer of /metrics.
func scraped(t *testing.T, text string) map[string]family {
	t.Helper()
	all := map[string]family{}
	for _, m := range typeLine.FindAllStringSubmatch(text, -1) {
		all[m[1]] = family{m[2], map[string]bool{}}
	}
	for _, m := range sampleLine.FindAllStringSubmatch(text, -1) {
		f, ok := all[m[1]]
		if !ok {
			t.Errorf("%s has no type", m[1])
			continue
		}
		for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
			if l[1] != "le" {
				f.labels[l[1]] = true
			}
		}
	}
	return all
}

// documented are the metrics in the table of docs/operations.md.
func documented(t *testing.T) map[string]family {
	t.Helper()
	_, text, ok := strings.Cut(string(must[[]byte](t)(os.ReadFile("../../docs/operations.md"))), "\n### As Prometheus scrapes them\n")
	text, _, _ = strings.Cut(text, "\n## ")
	all := map[string]family{}
	name := regexp.MustCompile("`([a-z_]+)`")
	for row := range strings.Lines(text) {
		cells := strings.Split(row, "|")
		if len(cells) < 5 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		labels := map[string]bool{}
		for _, l := range name.FindAllStringSubmatch(cells[3], -1) {
			labels[l[1]] = true
		}
		if strings.Contains(cells[3], "event") {
			for _, l := range []string{"messaging_system", "messaging_destination_name", "server_address", "server_port"} {
				labels[l] = true
			}
		}
		if strings.Contains(cells[3], "App") {
			labels["eds_app"] = true
		}
		for _, m := range name.FindAllStringSubmatch(cells[1], -1) {
			all[m[1]] = family{strings.TrimSpace(cells[2]), labels}
		}
	}
	if !ok || len(all) < 20 {
		t.Fatalf("docs/operations.md has a table of %d metrics", len(all))
	}
	return all
}

// What is scraped while events flow is what the documentation says.
func TestMetricsAsDocumented(t *testing.T) {
	srv := service(t)
	e := endpointFor(t, "Retry-After", "0")
	c := start(t, forwarding(srv, e, "--dead-letter", t.TempDir()+"/dead.jsonl", "--health-addr", "127.0.0.1:0"))
	url := c.health()
	var all []string
	for _, payload := range []string{`{"n":1}`, `[503,200]`, `[410]`, `[500]`} {
		all = append(all, publish(t, srv, "ORDER", payload))
	}
	acked(t, srv, all...)
	again := must[string](t)(srv.Publish("orders", edstest.Event{ID: all[0], Type: "ORDER", Payload: []byte(`{"n":1}`)}))
	acked(t, srv, again)
	count := func(outcome string, n string) *regexp.Regexp {
		return regexp.MustCompile(`(?m)^eds_outcomes_total\{[^}]*eds_outcome="` + outcome + `"[^}]*messaging_destination_name="orders"[^}]*\} ` + n + `$`)
	}
	text := c.answers(url+"/metrics", "what became of five events", func(status int, body string) bool {
		return status == 200 && count("handled", "2").MatchString(body) && count("dead-lettered", "2").MatchString(body) &&
			count("duplicate", "1").MatchString(body)
	})
	for _, want := range []string{
		`eds_connection_state{eds_app="orders",eds_state="connected"} 1`, `eds_connection_state{eds_app="orders",eds_state="standby"} 0`,
		"\ngo_goroutines ", "\nprocess_open_fds ", "\ntarget_info{",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q", want)
		}
	}
	c.stops()

	got, want := scraped(t, text), documented(t)
	for name, f := range got {
		w, ok := want[name]
		if !ok || f.kind != w.kind {
			t.Errorf("%s is a %s, and documented as %q", name, f.kind, w.kind)
		}
		for l := range f.labels {
			if !w.labels[l] {
				t.Errorf("%s has the label %s, which is not documented", name, l)
			}
		}
	}
	for name := range want { // TestBacklogOfSpoolInUse has one
		if strings.HasPrefix(name, "eds_spool_") {
			delete(want, name)
		}
	}
	// These tell of other troubles than this run had.
	for _, rare := range []string{"busy", "abandoned", "changed", "leases_lost", "store_errors"} {
		delete(want, "eds_dedupe_"+rare+"_total")
	}
	for name, w := range want {
		f, ok := got[name]
		if !ok {
			t.Errorf("%s is documented, and not scraped", name)
			continue
		}
		if name == "messaging_client_operation_duration_seconds" || name == "messaging_client_sent_messages_total" {
			delete(w.labels, "error_type") // nor did these fail
		}
		if !maps.Equal(f.labels, w.labels) {
			t.Errorf("%s has the labels %v, documented are %v", name,
				slices.Sorted(maps.Keys(f.labels)), slices.Sorted(maps.Keys(w.labels)))
		}
	}
}

// Whoever asks for metrics elsewhere still gets them there.
func TestMetricsGoBothWays(t *testing.T) {
	srv := service(t)
	id := publish(t, srv, "ORDER", `{}`)
	c := start(t, listening(srv, "--health-addr", "127.0.0.1:0"), env("OTEL_METRICS_EXPORTER=console"))
	url := c.health()
	acked(t, srv, id)
	c.answers(url+"/metrics", "the event", func(_ int, body string) bool {
		return strings.Contains(body, `eds_outcomes_total{eds_event_type="ORDER",eds_outcome="handled"`)
	})
	c.stops()
	if !strings.Contains(c.logged(), "messaging.process.duration") {
		t.Error("the console has no metrics")
	}
	if bytes.Contains([]byte(c.logged()), []byte(`level=WARN msg=telemetry`)) {
		t.Error("telemetry complains")
	}
}
