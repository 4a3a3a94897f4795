package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds/edstest"
)

// While the endpoint is down, everybody who may ask the process sees what
// waits, and nothing of the events themselves.
func TestBacklogOfSpoolInUse(t *testing.T) {
	srv := service(t)
	e := endpointFor(t)
	file := filepath.Join(t.TempDir(), "orders.spool")
	var all []string
	for range 3 {
		all = append(all, publish(t, srv, "ORDER", `[503]`), publish(t, srv, "PARCEL", `["`+canary+`"]`))
	}
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer down.Close()
	c := start(t, forwarding(srv, e, "--to", down.URL, "--spool", file, "--health-addr", "127.0.0.1:0"))
	url := c.health()
	acked(t, srv, all...)
	body := c.answers(url+"/backlog", "six events that pause", func(status int, body string) bool {
		return status == http.StatusOK && strings.Contains(body, `"paused":6`)
	})
	for _, secret := range append(all, canary) {
		if strings.Contains(body, secret) {
			t.Errorf("%q shows: %s", secret, body)
		}
	}

	code, out, errs := invoke(t, "backlog", url)
	if code != 0 || !strings.HasPrefix(out, "EVENTS  BYTES  PAUSED  OLDEST") || !strings.Contains(out, "\n6       ") ||
		!strings.Contains(out, "ORDER   3") || !strings.Contains(out, "PARCEL  3") || !strings.Contains(out, "\nATTEMPTS  EVENTS\n1         6\n") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	var report spoolReport
	code, out, errs = invoke(t, "backlog", url+"/", "--json")
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || report.Events != 6 || report.Oldest == nil || report.FileBytes == 0 {
		t.Errorf("exit %d, %v: %s%s", code, err, out, errs)
	}
	for _, args := range [][]string{{"backlog", file}, {"deadletters", "list", file}} {
		if code, _, errs := invoke(t, args...); code != 1 || !strings.Contains(errs, "in use by another process") || !strings.Contains(errs, "--health-addr") {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}

	_, text := fetch(t, url+"/metrics")
	for name, value := range map[string]string{
		"events": "6", "paused": "6", "bytes": fmt.Sprint(report.Bytes), "oldest_seconds": `(?:\d+\.\d+(?:e-\d+)?)`,
	} {
		if !regexp.MustCompile(`(?m)^eds_spool_` + name + `\{eds_app="spool:orders"\} ` + value + `$`).MatchString(text) {
			t.Errorf("there is no eds_spool_%s of %s in\n%s", name, value, text)
		}
	}
	got, want := scraped(t, text), documented(t)
	for name, f := range got {
		if w := want[name]; strings.HasPrefix(name, "eds_spool_") && f.kind != w.kind {
			t.Errorf("%s is a %s, and documented as %q", name, f.kind, w.kind)
		}
	}
	for name := range want {
		if _, ok := got[name]; strings.HasPrefix(name, "eds_spool_") && !ok {
			t.Errorf("%s is documented, and not scraped", name)
		}
	}
	c.stops()
	if got := c.logged(); strings.Contains(got, "telemetry") {
		t.Error("telemetry complains")
	}
}

// Metrics that are sent have the spool, too, and nobody complains at the end.
func TestSpoolMetricsAreSent(t *testing.T) {
	srv := service(t)
	e := endpointFor(t)
	c := start(t, forwarding(srv, e, "--spool", filepath.Join(t.TempDir(), "orders.spool")),
		env("OTEL_METRICS_EXPORTER=console", "OTEL_METRIC_EXPORT_INTERVAL=50"))
	c.untilLogs(`"eds.spool.oldest"`, 1)
	c.stops()
	if strings.Contains(c.logged(), "msg=telemetry") {
		t.Error("telemetry complains")
	}
}

// What has no spool says so, and so does what is no process of ours.
func TestBacklogOfNoSpool(t *testing.T) {
	srv := service(t)
	c := start(t, listening(srv, "--health-addr", "127.0.0.1:0"))
	happened(t, srv, func(r edstest.Record) bool { return r.Op == edstest.OpConnect })
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/json/backlog":
			fmt.Fprint(w, "{}")
		case "/trouble/backlog":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer foreign.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for where, want := range map[string]string{
		c.health():               "eds forward --spool",
		foreign.URL:              "eds forward --spool",
		foreign.URL + "/json":    "eds forward --spool",
		foreign.URL + "/trouble": "503",
		gone.URL:                 "refused",
		strings.Replace(gone.URL, "//", "//u:"+canary+"@", 1) + "?key=" + canary: "refused",
	} {
		code, out, errs := invoke(t, "backlog", where)
		if code != 1 || out != "" || !strings.Contains(errs, want) || !strings.Contains(errs, "http://127.0.0.1:") || strings.Contains(errs, canary) {
			t.Errorf("%s: exit %d: %s%s", where, code, out, errs)
		}
	}
	c.stops()
}
