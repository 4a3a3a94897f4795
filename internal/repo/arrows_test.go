package repo

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// row says what the packages below a folder may import beside the standard
// library, in files that are no tests. The row with the longest matching
// folder counts.
type row struct {
	// of is a folder; with "/..." also all folders below.
	of string
	// ours are the folders of this module that it may import.
	ours []string
	// theirs are the modules that it may import.
	theirs []string
}

const (
	websocket    = "github.com/coder/websocket"
	fastjson     = "github.com/go-json-experiment/json"
	backoff      = "github.com/cenkalti/backoff/v4"
	lru          = "github.com/hashicorp/golang-lru/v2"
	redis        = "github.com/redis/go-redis/v9"
	breaker      = "github.com/sony/gobreaker/v2"
	rate         = "golang.org/x/time"
	flock        = "github.com/gofrs/flock"
	bbolt        = "go.etcd.io/bbolt"
	webhooks     = "github.com/standard-webhooks/standard-webhooks/libraries"
	kong         = "github.com/alecthomas/kong"
	term         = "golang.org/x/term"
	sys          = "golang.org/x/sys"
	otel         = "go.opentelemetry.io/otel"
	otelMetric   = "go.opentelemetry.io/otel/metric"
	otelTrace    = "go.opentelemetry.io/otel/trace"
	otelSDK      = "go.opentelemetry.io/otel/sdk"
	otelSDKMeter = "go.opentelemetry.io/otel/sdk/metric"
	otelStdout   = "go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	otelStdMeter = "go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	otelExport   = "go.opentelemetry.io/contrib/exporters/autoexport"
	otelScraped  = "go.opentelemetry.io/otel/exporters/prometheus"
	prometheus   = "github.com/prometheus/client_golang"
	porcupine    = "github.com/anishathalye/porcupine"
	rapid        = "pgregory.net/rapid"
)

// arrows are the allowed imports. Data and knowledge go one way: the
// transports do not know the handlers, eds knows none of them, and nothing
// imports upwards.
var arrows = []row{
	{of: "eds"},
	{of: "eds/edstest", ours: []string{"eds", "internal/..."}, theirs: []string{websocket, fastjson}},
	{of: "eds/probe", ours: []string{"eds"}},

	{of: "middleware", ours: []string{"eds", "dedupe", "dedupe/lru"},
		theirs: []string{otel, otelMetric, otelTrace, backoff, breaker, rate, lru}},

	{of: "dedupe", ours: []string{"eds"}},
	{of: "dedupe/lru", ours: []string{"eds", "dedupe"}, theirs: []string{lru}},
	{of: "dedupe/redisstore", ours: []string{"eds", "dedupe", "dedupe/lru", "internal/rediscall"}, theirs: []string{redis, breaker}},
	{of: "dedupe/dedupetest", ours: []string{"eds", "dedupe"}, theirs: []string{porcupine, rapid}},

	{of: "transport/memory", ours: []string{"eds"}},
	{of: "transport/lease", ours: []string{"eds"}},
	{of: "transport/lease/redislease", ours: []string{"eds", "transport/lease", "internal/rediscall"}, theirs: []string{redis}},
	{of: "transport/lease/leasetest", ours: []string{"transport/lease"}},
	{of: "transport/edsv2", ours: []string{"eds", "transport/lease", "internal/..."}, theirs: []string{websocket, fastjson, backoff}},
	{of: "transport/pulsarws", ours: []string{"eds", "transport/cursor", "transport/lease", "internal/..."}, theirs: []string{websocket, fastjson}},
	{of: "transport/pulsarws/pulsartest", ours: []string{"eds", "internal/..."}, theirs: []string{websocket, fastjson}},
	{of: "transport/streaming8x8", ours: []string{"eds", "transport/pulsarws", "transport/cursor", "internal/vcc"}, theirs: []string{fastjson}},
	{of: "transport/spool", ours: []string{"eds", "internal/fsync", "internal/tracecontext"}, theirs: []string{bbolt}},
	{of: "transport/cursor", ours: []string{"eds", "internal/fsync"}, theirs: []string{flock}},
	{of: "transport/cursor/rediscursor", ours: []string{"eds", "transport/cursor", "internal/rediscall"}, theirs: []string{redis}},
	{of: "transport/cursor/cursortest", ours: []string{"eds", "transport/cursor"}},
	{of: "transport/redisstream", ours: []string{"eds", "internal/rediscall", "internal/tracecontext"}, theirs: []string{redis, backoff}},
	{of: "transport/transporttest", ours: []string{"eds"}},

	{of: "handlers", ours: []string{"eds"}, theirs: []string{fastjson}},
	{of: "handlers/...", ours: []string{"eds", "handlers", "internal/..."},
		theirs: []string{fastjson, flock, webhooks, otel}}, // otel: trace context travels along

	{of: "internal/...", ours: []string{"eds", "internal/..."}, theirs: []string{websocket, fastjson, backoff}},

	{of: "internal/wslink", ours: []string{"eds", "transport/lease", "internal/..."}, theirs: []string{websocket}},

	{of: "internal/tracecontext", theirs: []string{otel}},

	{of: "internal/rediscall", theirs: []string{redis}},
	{of: "internal/redistest", theirs: []string{redis}},

	// The driver of the chaos run and its service. What is under test are
	// processes of the command, which it does not link.
	{of: "internal/chaos", ours: []string{"eds/edstest", "internal/history"}, theirs: []string{redis}},

	// The simulation drives the whole stack; only tests import it.
	{of: "internal/sim/...", ours: everything, theirs: []string{websocket, rapid}},

	// Who is at the top may import what is below. Only here a program decides
	// where its spans and metrics go.
	{of: "cmd/...", ours: everything,
		theirs: []string{kong, term, sys, redis, lru, rate, otel, otelMetric, otelTrace, otelSDK, otelSDKMeter, otelExport,
			otelStdout, otelStdMeter, otelScraped, prometheus, fastjson}},
	{of: "examples/...", ours: everything,
		theirs: []string{redis, otel, otelMetric, otelTrace, otelSDK, otelStdout, otelExport}},
}

// everything is what a program may import of ours.
var everything = []string{"eds", "eds/edstest", "eds/probe", "middleware", "dedupe/...", "transport/...", "handlers/...", "internal/..."}

func TestImportsFollowTheArrows(t *testing.T) {
	report(t, wrongArrows(sources(t), arrows, modules(t)))
}

func TestArrowRuleCatches(t *testing.T) {
	known := []string{websocket, otel, otelSDK, rapid}
	wantComplaints(t, wrongArrows([]source{
		parse(t, "eds/a.go", `package eds; import ("fmt"; "`+modulePath+`/middleware")`),
		parse(t, "eds/b.go", `package eds; import "`+websocket+`"`),
		parse(t, "eds/b_test.go", `package eds; import "`+rapid+`"`),
		parse(t, "middleware/a.go", `package middleware; import ("`+modulePath+`/eds"; "`+otel+`/attribute")`),
		parse(t, "middleware/b.go", `package middleware; import "`+otelSDK+`/trace"`),
		parse(t, "transport/edsv2/a.go", `package edsv2; import "`+modulePath+`/transport/memory"`),
		parse(t, "transport/edsv2/b.go", `package edsv2; import "`+modulePath+`/internal/session"`),
		parse(t, "newthing/a.go", `package newthing; import "`+modulePath+`/eds"`),
	}, arrows, known), "eds/a.go", "eds/b.go", "middleware/b.go", "transport/edsv2/a.go", "newthing")
}

// TestCoreNeedsTheStandardLibraryAlone asks the go command, which sees what a
// parser of imports does not: build tags, and what the imports import.
func TestCoreNeedsTheStandardLibraryAlone(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f",
		"{{if not .Standard}}{{.ImportPath}}{{end}}", modulePath+"/eds").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(out)); !slices.Equal(got, []string{modulePath + "/eds"}) {
		t.Errorf("eds needs %v, want the standard library alone", got)
	}
}

// wrongArrows complains about each import that no row allows.
func wrongArrows(all []source, rows []row, modules []string) []string {
	var complaints []string
	for _, s := range all {
		if s.test() || strings.HasPrefix(s.path, "bench/") || strings.HasPrefix(s.path, ".ci/") {
			continue // in a module of its own
		}
		r, ok := rowOf(s.dir(), rows)
		if !ok {
			complaints = append(complaints, s.path+": its folder has no row in the table of arrows; add one")
			continue
		}
		for _, imported := range s.imports() {
			if folder, ours := strings.CutPrefix(imported, modulePath+"/"); ours {
				if !slices.ContainsFunc(r.ours, func(of string) bool { return matches(of, folder) }) {
					complaints = append(complaints, fmt.Sprintf("%s: imports %s, against the arrows", s.path, folder))
				}
				continue
			}
			if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
				continue // the standard library
			}
			module := moduleOf(imported, modules)
			if !slices.Contains(r.theirs, module) {
				complaints = append(complaints, fmt.Sprintf("%s: imports %s of module %q, against the arrows", s.path, imported, module))
			}
		}
	}
	return complaints
}

func rowOf(folder string, rows []row) (row, bool) {
	best, found := row{}, false
	for _, r := range rows {
		if matches(r.of, folder) && (!found || specific(r.of) > specific(best.of)) {
			best, found = r, true
		}
	}
	return best, found
}

// specific orders rows: the longer folder wins, and the folder itself over
// the one with all that is below.
func specific(of string) int {
	folder, below := strings.CutSuffix(of, "/...")
	if below {
		return 2 * len(folder)
	}
	return 2*len(folder) + 1
}

func matches(of, folder string) bool {
	of, below := strings.CutSuffix(of, "/...")
	return folder == of || below && strings.HasPrefix(folder, of+"/")
}

// moduleOf returns the module that holds a package: the longest known path.
func moduleOf(pkg string, modules []string) string {
	best := ""
	for _, m := range modules {
		if len(m) > len(best) && (pkg == m || strings.HasPrefix(pkg, m+"/")) {
			best = m
		}
	}
	return best
}

// modules returns the paths of all modules that go.mod and bench/go.mod require.
func modules(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, dir := range []string{".", "bench"} {
		cmd := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
		cmd.Dir = filepath.Join(root, dir)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go mod edit in %s: %v", dir, err)
		}
		var mod struct{ Require []struct{ Path string } }
		if err := json.Unmarshal(out, &mod); err != nil {
			t.Fatal(err)
		}
		for _, r := range mod.Require {
			paths = append(paths, r.Path)
		}
	}
	return paths
}
