package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// afresh is converse with an empty Redis.
func afresh(ctx context.Context, spec Spec) (Sample, error) {
	client, err := emptyRedis(ctx, spec)
	if err != nil {
		return Sample{}, err
	}
	defer client.Close()
	return converse(ctx, spec)
}

// benchmarkProgram comes with redis-server; on Debian in the package
// redis-tools.
const benchmarkProgram = "redis-benchmark"

// redisBenchmark has Redis's own program append entries as large as the
// receiver's, over 50 connections (its default), each sending so many at a
// time.
func redisBenchmark(pipelined, perSecond int) func(context.Context, Spec) (Sample, error) {
	return func(ctx context.Context, spec Spec) (sample Sample, err error) {
		client, err := emptyRedis(ctx, spec)
		if err != nil {
			return sample, err
		}
		defer client.Close()
		fields, err := entryFields(ctx, client, spec)
		if err != nil {
			return sample, err
		}
		appends := int(float64(perSecond) * spec.Measure.Duration.Seconds())
		if spec.Measure.Events > 0 {
			appends = spec.Measure.Events
		}
		host, port, _ := strings.Cut(spec.Redis, ":")
		args := []string{"-h", host, "-p", port, "-n", strconv.Itoa(appends), "-P", strconv.Itoa(pipelined), "--csv", "XADD", streamName, "*"}
		before, err := redisTime(ctx, spec.Redis)
		if err != nil {
			return sample, err
		}
		out, err := exec.CommandContext(ctx, benchmarkProgram, append(args, fields...)...).Output()
		if err != nil {
			return sample, fmt.Errorf("%s: %w", benchmarkProgram, err)
		}
		after, err := redisTime(ctx, spec.Redis)
		if err != nil {
			return sample, err
		}
		// The entry that showed the fields is among them.
		if n, err := client.XLen(ctx, streamName).Result(); err != nil || n != int64(appends)+1 {
			return sample, errors.Join(err, fmt.Errorf("%s was to append %d entries, and there are %d", benchmarkProgram, appends, n-1))
		}
		sample, err = parseBenchmark(out)
		sample.Redis = micros(after-before) / float64(appends)
		return sample, err
	}
}

// parseBenchmark reads what the program prints with --csv: a line of names and
// one of figures, in ms.
func parseBenchmark(out []byte) (sample Sample, err error) {
	rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 2 {
		return sample, errors.Join(fmt.Errorf("%s printed %d lines, want 2", benchmarkProgram, len(rows)), err)
	}
	for name, into := range map[string]struct {
		figure *float64
		scale  float64
	}{"rps": {&sample.Rate, 1}, "p50_latency_ms": {&sample.P50, 1000}, "p99_latency_ms": {&sample.P99, 1000}} {
		i := slices.Index(rows[0], name)
		if i < 0 {
			return sample, fmt.Errorf("%s printed no %s: version 7.0 or later does", benchmarkProgram, name)
		}
		v, err := strconv.ParseFloat(rows[1][i], 64)
		if err != nil {
			return sample, fmt.Errorf("%s printed the %s %q", benchmarkProgram, name, rows[1][i])
		}
		*into.figure = v * into.scale
	}
	return sample, nil
}

// entryFields are the fields of an entry as the receiver appends it, letters
// of the same number in place of the values.
func entryFields(ctx context.Context, client *redis.Client, spec Spec) ([]string, error) {
	stream, err := redisstream.Publish(client, streamName, redisstream.TrimAbove(-1))
	if err != nil {
		return nil, err
	}
	event, err := sampleEvents(spec)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(stream.Handle(ctx, event(0)), stream.Close(ctx)); err != nil {
		return nil, err
	}
	entries, err := client.XRange(ctx, streamName, "-", "+").Result()
	if err != nil || len(entries) != 1 {
		return nil, errors.Join(err, fmt.Errorf("%d entries after one append", len(entries)))
	}
	var fields []string
	for name, value := range entries[0].Values {
		text, _ := value.(string)
		fields = append(fields, name, strings.Repeat("x", max(len(text), 1)))
	}
	return fields, nil
}

// publish is a process that appends events, as the receiver does, with nothing
// before it.
func publish(spec Spec, _ io.Reader, out io.Writer) error {
	client := redis.NewClient(&redis.Options{Addr: spec.Redis})
	defer client.Close()
	stream, err := redisstream.Publish(client, streamName)
	if err != nil {
		return err
	}
	event, err := sampleEvents(spec)
	if err != nil {
		return err
	}
	sample, err := timed(spec, func(n int) error { return stream.Handle(context.Background(), event(n)) }, nil)
	if err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(out).Encode(sample), stream.Close(context.Background()))
}
