package middleware

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
)

// meter collects what was recorded, by instrument and attributes.
type meter struct {
	reader *sdkmetric.ManualReader
	option MetricsOption
}

func newMeter(views ...sdkmetric.View) meter {
	r := sdkmetric.NewManualReader()
	return meter{r, MeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(r), sdkmetric.WithView(views...)))}
}

type point struct {
	value  float64 // the count of a histogram
	sum    float64
	bounds []float64
}

func (m meter) collect(t *testing.T) map[string]map[string]point {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := m.reader.Collect(context.Background(), &data); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]map[string]point)
	for _, scope := range data.ScopeMetrics {
		for _, metric := range scope.Metrics {
			points := make(map[string]point)
			put := func(a attribute.Set, p point) { points[a.Encoded(attribute.DefaultEncoder())] = p }
			switch d := metric.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					put(p.Attributes, point{value: float64(p.Value)})
				}
			case metricdata.Gauge[int64]:
				for _, p := range d.DataPoints {
					put(p.Attributes, point{value: float64(p.Value)})
				}
			case metricdata.Gauge[float64]:
				for _, p := range d.DataPoints {
					put(p.Attributes, point{value: p.Value})
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					put(p.Attributes, point{value: float64(p.Count), sum: p.Sum, bounds: p.Bounds})
				}
			default:
				t.Fatalf("%s is a %T", metric.Name, d)
			}
			all[metric.Name] = points
		}
	}
	return all
}

const fromQueue = "messaging.destination.name=my-queue,"

const server = "server.address=eds.example,server.port=8443"

func TestMetricsFollowTheMessagingConventions(t *testing.T) {
	m := newMeter()
	h := Metrics(m.option)(func(context.Context, *eds.Event) error { return nil })
	_ = h(t.Context(), event())
	_ = h(t.Context(), event())
	got := m.collect(t)
	attrs := fromQueue + "messaging.operation.name=process,messaging.system=empego_eds," + server
	process := got["messaging.process.duration"][attrs]
	if process.value != 2 {
		t.Errorf("messaging.process.duration: %v", got["messaging.process.duration"])
	}
	advised := []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
	if len(process.bounds) < len(advised) || !slices.Equal(process.bounds[:len(advised)], advised) {
		t.Errorf("buckets %v", process.bounds)
	}
	if p := got["messaging.client.consumed.messages"][attrs]; p.value != 2 {
		t.Errorf("messaging.client.consumed.messages: %v", got["messaging.client.consumed.messages"])
	}
	outcomes := map[string]point{"eds.event.type=TENANT_ONBOARDED,eds.outcome=handled," + fromQueue + "messaging.system=empego_eds," + server: {value: 2}}
	if !maps.EqualFunc(got["eds.outcomes"], outcomes, func(a, b point) bool { return a.value == b.value }) {
		t.Errorf("eds.outcomes: %v", got["eds.outcomes"])
	}
	for _, none := range []string{"messaging.client.sent.messages", "messaging.client.operation.duration"} {
		if len(got[none]) != 0 {
			t.Errorf("%s: %v", none, got[none])
		}
	}
}

func TestMetricsInAnApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter()
		h := func(_ context.Context, e *eds.Event) error {
			time.Sleep(2 * time.Second)
			if e.Type == "TENANT_BAD" {
				return errBoom
			}
			return nil
		}
		var s shelf
		events := []eds.Event{named("1", "TENANT_GOOD"), named("2", "TENANT_BAD"), named("3", "UNKNOWN")}
		for i := range events {
			events[i].Time = time.Now().Add(-time.Minute)
		}
		runApp(t, h, []eds.Middleware{Metrics(m.option), DeadLetter(s.put)}, events, nil, func(*eds.App) { time.Sleep(time.Minute) })
		got := m.collect(t)

		base := fromQueue + "messaging.operation.name=%s,messaging.system=memory,server.address=local"
		settle := fromQueue + "messaging.operation.name=ack,messaging.operation.type=settle,messaging.system=memory,server.address=local"
		failure := "error.type=*errors.errorString," + base
		for name, want := range map[string]map[string]point{
			"messaging.process.duration": {
				fmt.Sprintf(base, "process"):    {value: 2, sum: 2},
				fmt.Sprintf(failure, "process"): {value: 1, sum: 2},
			},
			"messaging.client.operation.duration": {settle: {value: 3}},
			"messaging.client.consumed.messages": {
				fmt.Sprintf(base, "process"):    {value: 2},
				fmt.Sprintf(failure, "process"): {value: 1},
			},
			"messaging.client.sent.messages": {fmt.Sprintf(base, "send"): {value: 1}},
			"eds.outcomes": {
				"eds.event.type=TENANT_GOOD,eds.outcome=handled," + fromQueue + "messaging.system=memory,server.address=local":      {value: 1},
				"eds.event.type=TENANT_BAD,eds.outcome=dead-lettered," + fromQueue + "messaging.system=memory,server.address=local": {value: 1},
				"eds.event.type=_OTHER,eds.outcome=unsupported," + fromQueue + "messaging.system=memory,server.address=local":       {value: 1},
			},
			// Three events of 2 s, 2 s and none, one after another.
			"eds.delivery.wait": {fmt.Sprintf(base, "process"): {value: 3, sum: 2 + 4}},
			"eds.event.age":     {fmt.Sprintf(base, "process"): {value: 3, sum: 180}},
		} {
			// The App hands receiving over after a few ms of a handler's 2 s.
			if !maps.EqualFunc(got[name], want, func(a, b point) bool { return a.value == b.value && math.Abs(a.sum-b.sum) < 0.05 }) {
				t.Errorf("%s:\ngot  %v\nwant %v", name, got[name], want)
			}
		}
	})
}

func TestMetricsCountTheDeadLetterThatWasNotStored(t *testing.T) {
	m := newMeter()
	_ = Metrics(m.option)(DeadLetter(always(errors.New("disk full")))(always(errBoom)))(t.Context(), event())
	sent := m.collect(t)["messaging.client.sent.messages"]
	want := "error.type=*errors.errorString," + fromQueue + "messaging.operation.name=send,messaging.system=empego_eds," + server
	if len(sent) != 1 || sent[want].value != 1 {
		t.Fatal(sent)
	}
}

// A stuck handler's event is counted once, although two passes end.
func TestMetricsCountAStuckEventOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter()
		h := func(context.Context, *eds.Event) error { time.Sleep(time.Minute); return nil }
		runApp(t, h, []eds.Middleware{Metrics(m.option)}, []eds.Event{named("1", "TENANT_X")}, nil, func(*eds.App) { time.Sleep(2 * time.Minute) })
		var total float64
		got := m.collect(t)
		for _, p := range got["eds.outcomes"] {
			total += p.value
		}
		if total != 1 {
			t.Errorf("%v events", total)
		}
		for _, p := range got["eds.delivery.wait"] {
			if p.value != 1 || p.sum != 0 {
				t.Errorf("%v waits of %v s in all", p.value, p.sum)
			}
		}
	})
}

func TestMetricsOfPassesThatDoNotReturn(t *testing.T) {
	m := newMeter()
	h := Metrics(m.option)
	func() {
		defer func() { _ = recover() }()
		_ = h(explode("pow"))(t.Context(), event())
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h(func(context.Context, *eds.Event) error { runtime.Goexit(); return nil })(t.Context(), event())
	}()
	<-done
	want := "error.type=panic," + fromQueue + "messaging.operation.name=process,messaging.system=empego_eds," + server
	if got := m.collect(t)["messaging.process.duration"]; got[want].value != 2 {
		t.Fatal(got)
	}
}

func dropped(pattern string) sdkmetric.View {
	return sdkmetric.NewView(sdkmetric.Instrument{Name: pattern}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}})
}

// Label values that come from the wire must not become time series without
// end.
func TestMetricsBoundTheirSeries(t *testing.T) {
	faults.Covers(t, "G5")
	const events = 100_000
	random := rand.New(rand.NewPCG(1, 2))
	for name, c := range map[string]struct {
		opts  []MetricsOption
		err   error
		types int // distinct eds.event.type, at most
	}{
		"handled by a catch-all": {nil, nil, maxEventTypes + 1},
		"unsupported":            {nil, eds.ErrUnsupported, 1},
		"duplicate":              {nil, eds.ErrDuplicate, 1},
		"allowed":                {[]MetricsOption{EventTypes("A", "B", "B")}, nil, 3},
		"allowed nothing":        {[]MetricsOption{EventTypes()}, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMeter(
				dropped("messaging.*")) // for speed
			h := Metrics(append(c.opts, m.option)...)(always(c.err))
			e := event()
			for _, known := range []string{"A", "B"} {
				e.Type = known
				_ = h(context.Background(), e)
			}
			for range events {
				e.Type = strconv.FormatUint(random.Uint64(), 36)
				_ = h(context.Background(), e)
			}
			series := m.collect(t)["eds.outcomes"]
			if len(series) != c.types {
				t.Errorf("%d series, want %d", len(series), c.types)
			}
			var total float64
			for _, p := range series {
				total += p.value
			}
			if total != events+2 {
				t.Errorf("%v events counted of %d", total, events+2)
			}
		})
	}
}

func TestMetricsBoundQueuesAndErrorTypes(t *testing.T) {
	faults.Covers(t, "G5")
	m := newMeter()
	h := Metrics(m.option)(func(_ context.Context, e *eds.Event) error { return wildError(e.Type) })
	for i := range 1000 {
		e := event()
		e.Type = strconv.Itoa(i)
		_ = h(context.Background(), e)
	}
	for i := range 1000 {
		e := event()
		e.Queue = strconv.Itoa(i)
		_ = h(context.Background(), e)
	}
	// 64 queues and the rest; the first with 64 error types and the rest.
	if n := len(m.collect(t)["messaging.process.duration"]); n != maxQueues+1+maxErrorTypes {
		t.Fatalf("%d series", n)
	}
}

type wildError string

func (e wildError) Error() string     { return "wild" }
func (e wildError) ErrorType() string { return string(e) }

func TestMetricsOfSuccessAllocateNothing(t *testing.T) {
	m := newMeter()
	h := Metrics(m.option)(always(nil))
	allocates(t, 0, h)
}

func TestCountRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter()
		var calls int
		_ = Retry(OnRetry(CountRetries(m.option)))(returns(&calls, errBoom, &eds.PanicError{}))(t.Context(), event())
		got := m.collect(t)["eds.retries"]
		for _, kind := range []string{"*errors.errorString", "panic"} {
			want := "error.type=" + kind + "," + fromQueue + "messaging.operation.name=retry,messaging.system=empego_eds," + server
			if got[want].value != 1 {
				t.Errorf("%s: %v", kind, got)
			}
		}
	})
}

type fixedHealth eds.Health

func (h fixedHealth) Health() eds.Health { return eds.Health(h) }

func TestWatchApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter()
		h := fixedHealth{
			Transport: eds.Status{State: eds.Standby, Connects: 3, Unconfirmed: 4, Skipped: 5, LastRead: time.Now().Add(-6 * time.Second)},
			Running:   7, Queued: 8, Stuck: 9, OldestUnacked: 10 * time.Second, Draining: true,
		}
		stop, err := WatchApp(h, "billing", m.option)
		if err != nil {
			t.Fatal(err)
		}
		got := m.collect(t)
		for name, want := range map[string]float64{
			"eds.connection.established": 3, "eds.acks.unconfirmed": 4, "eds.frames.skipped": 5, "eds.connection.idle": 6,
			"eds.events.running": 7, "eds.events.queued": 8, "eds.events.stuck": 9, "eds.events.oldest_unacked": 10, "eds.draining": 1,
		} {
			if p := got[name]["eds.app=billing"]; p.value != want {
				t.Errorf("%s: %v, want %v", name, got[name], want)
			}
		}
		for _, state := range []string{"connecting", "connected", "standby", "closed", "refused"} {
			p, ok := got["eds.connection.state"]["eds.app=billing,eds.state="+state]
			if !ok || p.value != float64(oneIf(state == "standby")) {
				t.Errorf("eds.connection.state: %v", got["eds.connection.state"])
			}
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if after := m.collect(t); len(after["eds.events.running"]) != 0 {
			t.Errorf("observed after stop: %v", after)
		}
	})
}
