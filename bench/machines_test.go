package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Every variant of the sections about several machines gets through, with its
// processes, and has the figures of its table. Nothing is timed.
func TestEveryVariantOverMachinesIsMeasured(t *testing.T) {
	p, err := parse([]string{"-sections", "relay,limit,spool,queues", "-events", "64", "-dir", t.TempDir()}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	server, err := startRedis(t.Context(), "everysec")
	switch {
	case errors.Is(err, exec.ErrNotFound):
		t.Log("no redis-server: the sections with Redis are left out")
	case err != nil:
		t.Fatal(err)
	default:
		defer server.stop()
	}
	p.skipWithout(t.Output(), benchmarkProgram)
	for _, s := range p.sections {
		if s.redis && server == nil {
			continue
		}
		for i, variant := range s.variants {
			spec := s.cells[i%len(s.cells)] // each takes some processes
			t.Run(s.name+" "+variant, func(t *testing.T) {
				spec.Variant, spec.Warmup = variant, Length{Events: 32}
				if s.redis {
					spec.Redis = server.addr
				}
				sample, err := measure(t.Context(), spec)
				if err != nil {
					t.Fatal(err)
				}
				if sample.Rate <= 0 || sample.P99 < sample.P50 || s.redis && sample.Redis <= 0 {
					t.Errorf("sample %+v", sample)
				}
				switch s.name {
				case "relay":
					if sample.Recorded <= 0 || sample.Worker <= 0 || sample.Done < sample.HalfDone || sample.Acked < sample.HalfDone {
						t.Errorf("sample %+v", sample)
					}
				case "queues":
					if sample.Queue <= 0 || sample.Routines < 1 {
						t.Errorf("sample %+v", sample)
					}
				}
			})
		}
	}
}

// What a transaction per event has is known; to open a file is none.
func TestFsyncsAreCounted(t *testing.T) {
	spec := Spec{Variant: "put-each", Size: 400, Window: 4, Dir: t.TempDir(), Warmup: Length{Events: 10}, Measure: Length{Events: 100}}
	sample, err := measure(t.Context(), spec)
	if err != nil || sample.Events != 100 || sample.Warmed != 10 || sample.PerSync != 0.5 {
		t.Errorf("%+v, %v, want half an event per fsync of 100", sample, err)
	}
	for name, open := range recorders {
		path := filepath.Join(t.TempDir(), "file")
		var counts []int
		for range 2 {
			r, err := open(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			n, err := transactions(path)
			if err != nil {
				t.Fatal(err)
			}
			counts = append(counts, n)
		}
		if counts[0] != counts[1] {
			t.Errorf("%s: to open the file again took transactions: %v", name, counts)
		}
	}
}

// Workers that lose an event, invent one or handle one twice get no figure.
func TestWrongWorkersAreNotMeasured(t *testing.T) {
	at := func(events ...int) (all []Moment) {
		for _, n := range events {
			all = append(all, Moment{n, int64(time.Millisecond)})
		}
		return all
	}
	served := Served{Events: 4, First: 10, Sent: make([]int64, 4)}
	right := []Journal{{at(9, 10, 12, 13), at(9, 10, 12, 13)}, {at(11), at(11)}}
	var s Sample
	if err := s.addJournals(served, right); err != nil || s.Least != 0.5 || s.Done != 1000 || s.Acked != 1000 || s.Rate != 4000 {
		t.Errorf("%+v, %v", s, err)
	}
	for want, wrong := range map[string][]Journal{
		"3 were handled":    {{at(10, 11, 12), at(10, 11, 12)}},
		"handled twice":     {{at(10, 11), at(10, 11)}, {at(11, 12, 13), at(11, 12, 13)}},
		"never sent":        {{at(10, 11, 12, 13, 14), at(10, 11, 12, 13)}},
		"2 acknowledged to": {{at(10, 11, 12, 13), at(10, 11)}},
	} {
		if err := new(Sample).addJournals(served, wrong); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestBenchmarkOfRedisIsRead(t *testing.T) {
	const names = `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"` + "\n"
	s, err := parseBenchmark([]byte(names + `"XADD bench * id x","160000.00","0.5","0.1","0.415","0.9","1.255","2"` + "\n"))
	if err != nil || s.Rate != 160000 || s.P50 != 415 || s.P99 != 1255 {
		t.Errorf("%+v, %v", s, err)
	}
	for _, wrong := range []string{"", names, names + `"XADD"` + "\n", `"XADD","1"` + "\n" + `"XADD","2"` + "\n", names + `"","x","","","","","",""` + "\n"} {
		if s, err := parseBenchmark([]byte(wrong)); err == nil {
			t.Errorf("%q passes as %+v", wrong, s)
		}
	}
}

// What redis-benchmark appends is as large as what the receiver does.
func TestEntriesHaveTheSizeOfTheReceivers(t *testing.T) {
	server, err := startRedis(t.Context(), "")
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("no redis-server")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer server.stop()
	spec := Spec{Variant: "relay-alone", Size: 400, Window: 4, Receiving: 4, Redis: server.addr, Warmup: Length{Events: 1}, Measure: Length{Events: 1}}
	if _, err := measure(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: server.addr})
	defer client.Close()
	relayed := make(map[string]int)
	entries, err := client.XRange(t.Context(), streamName, "-", "+").Result()
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for name, value := range entries[0].Values {
		text, _ := value.(string)
		relayed[name] = len(text)
	}
	client.FlushAll(t.Context())
	fields, err := entryFields(t.Context(), client, spec)
	if err != nil {
		t.Fatal(err)
	}
	if len(fields) != 2*len(relayed) {
		t.Errorf("%d fields, the receiver's have %d", len(fields)/2, len(relayed))
	}
	for i := 0; i < len(fields); i += 2 {
		if want := relayed[fields[i]]; len(fields[i+1]) != want {
			t.Errorf("%s has %d bytes, the receiver's %d", fields[i], len(fields[i+1]), want)
		}
	}
	if relayed["payload"] == 0 || relayed["id"] != idLength {
		t.Errorf("the receiver's entry has %v", relayed)
	}
}
