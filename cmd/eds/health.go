package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/eventdelivery/eds-go/eds/probe"
	"github.com/eventdelivery/eds-go/transport/spool"
)

// healthFlags say where a command that runs Apps is watched.
type healthFlags struct {
	HealthAddr string `placeholder:"HOST:PORT" env:"EDS_HEALTH_ADDR" help:"Serve /livez, /readyz and /metrics for Prometheus here; port 0 for any (${env})."`
}

// checkHealthAddr says what is wrong with the flag before anything begins.
func (f *healthFlags) checkHealthAddr() error {
	if f.HealthAddr == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(f.HealthAddr)
	if err != nil {
		return fmt.Errorf("--health-addr %q: must be HOST:PORT, or :PORT for all addresses of this machine", f.HealthAddr)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("--health-addr %q: the port must be a number up to 65535", f.HealthAddr)
	}
	return nil
}

// health is the server of --health-addr. A nil one, as without the flag, does
// nothing.
type health struct {
	log      *slog.Logger
	listener net.Listener
	registry *prometheus.Registry
	reader   metric.Reader
	spool    *spool.Spool // nil for none
	server   *http.Server // nil until serve
	serving  sync.WaitGroup
}

// listen takes the address, so that one that is in use is known before
// anything else begins. It returns nil without the flag.
func (f *healthFlags) listen(log *slog.Logger) (*health, error) {
	if f.HealthAddr == "" {
		return nil, nil
	}
	if err := f.checkHealthAddr(); err != nil {
		return nil, usageError{err}
	}
	h := &health{log: log, registry: prometheus.NewRegistry()}
	var err error
	if h.reader, err = otelprometheus.New(otelprometheus.WithRegisterer(h.registry), otelprometheus.WithoutScopeInfo()); err != nil {
		return nil, fmt.Errorf("metrics for --health-addr: %w", err)
	}
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := h.registry.Register(c); err != nil {
			return nil, fmt.Errorf("metrics for --health-addr: %w", err)
		}
	}
	if h.listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", f.HealthAddr); err != nil {
		return nil, fmt.Errorf("--health-addr: %w", err)
	}
	return h, nil
}

// readers are what the metrics go to beside what the environment asks for.
func (h *health) readers() []metric.Reader {
	if h == nil {
		return nil
	}
	return []metric.Reader{h.reader}
}

// tells has it tell of a spool, too, once it serves.
func (h *health) tells(s *spool.Spool) {
	if h != nil {
		h.spool = s
	}
}

// serve answers for these Apps from now on. Who asked before has waited.
func (h *health) serve(apps probe.Apps) {
	if h == nil {
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/", probe.Handler(apps))
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelWarn),
		// One instrument that cannot be read must not hide the others.
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	}))
	if h.spool != nil {
		mux.Handle("GET /backlog", backlogHandler(h.spool))
	}
	h.server = &http.Server{
		Handler:           mux,
		ErrorLog:          slog.NewLogLogger(h.log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	h.log.Info("health on http://" + h.listener.Addr().String()) //nolint:sloglint // a line to click on, also in JSON
	h.serving.Go(func() {
		if err := h.server.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
			h.log.Error("health is no longer served", "err", err)
		}
	})
}

// close ends the server. It lets answers under way finish, for a second.
func (h *health) close() {
	if h == nil {
		return
	}
	if h.server == nil {
		_ = h.listener.Close()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if h.server.Shutdown(ctx) != nil {
		_ = h.server.Close()
	}
	h.serving.Wait()
}
