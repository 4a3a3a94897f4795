package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"golang.org/x/time/rate"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/cloudevent"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// stdin is how --file names it.
const stdin = "-"

// sample makes a message for a topic.
type sample func(topicName) pulsartest.Message

// publisher puts events into the topics of a simulator.
type publisher struct {
	srv    *pulsartest.Server
	topics []topicName
	events iter.Seq2[sample, error]
	pace   *rate.Limiter
	errs   io.Writer
}

// run publishes until there are no more events, or ctx ends. What cannot be
// published is reported.
func (p *publisher) run(ctx context.Context) {
	for event, err := range p.events {
		if err != nil {
			fmt.Fprintln(p.errs, "eds:", err)
			continue
		}
		if p.pace.Wait(ctx) != nil {
			return
		}
		for _, topic := range p.topics {
			if _, err := p.srv.Publish(topic.full(), event(topic)); err != nil {
				return // the server is closed
			}
		}
	}
}

// events are what the flags ask for.
func (c *simulatePulsarCommand) events(in stdio) (events iter.Seq2[sample, error], closeEvents func(), err error) {
	switch {
	case c.File == stdin:
		return lines("--file "+stdin, in.in, c.Service), func() {}, nil
	case c.File != "":
		file, err := os.Open(c.File)
		if err != nil {
			return nil, nil, fmt.Errorf("--file: %w", err)
		}
		return lines(fmt.Sprintf("--file %q", c.File), file, c.Service), func() { _ = file.Close() }, nil
	}
	return samplesOf(c.Service, c.Events, c.Rate > 0), func() {}, nil
}

// samplesOf yields n samples, or without end when n is 0 and endless is true.
func samplesOf(service string, n int, endless bool) iter.Seq2[sample, error] {
	return func(yield func(sample, error) bool) {
		for i := 0; i < n || n == 0 && endless; i++ {
			event := func(topicName) pulsartest.Message { return order(i) }
			if service == service8x8 {
				at := time.Now()
				event = func(topic topicName) pulsartest.Message { return interaction(topic, i, at) }
			}
			if !yield(event, nil) {
				return
			}
		}
	}
}

// longestLine is what a message of Pulsar may have, by its default.
const longestLine = 5 << 20

// lines yields a message for each line that is not empty.
func lines(name string, r io.Reader, service string) iter.Seq2[sample, error] {
	return func(yield func(sample, error) bool) {
		scan := bufio.NewScanner(r)
		scan.Buffer(nil, longestLine)
		n := 0
		for scan.Scan() {
			n++
			if len(scan.Bytes()) == 0 {
				continue
			}
			m, ok := message(scan.Bytes(), service)
			if !ok {
				if !yield(nil, fmt.Errorf("%s: line %d is no JSON; left out", name, n)) {
					return
				}
				continue
			}
			if !yield(func(topicName) pulsartest.Message { return m }, nil) {
				return
			}
		}
		if err := scan.Err(); err != nil {
			yield(nil, fmt.Errorf("%s: line %d: %w", name, n+1, err))
		}
	}
}

// message makes one of a line: of a CloudEvent its data, with what it is in
// the properties that plain Pulsar has for that, else of the line itself.
func message(line []byte, service string) (pulsartest.Message, bool) {
	e, err := cloudevent.Parse(line)
	if err != nil {
		return pulsartest.Message{Payload: append([]byte(nil), line...)}, cloudevent.IsJSON(line)
	}
	m := pulsartest.Message{Payload: e.Payload, EventTime: e.Time}
	if service != service8x8 {
		m.Properties = properties(&e)
	}
	return m, true
}

// properties are those of pulsarws.Publish.
func properties(e *eds.Event) map[string]string {
	return map[string]string{"ce_id": e.ID, "ce_type": e.Type}
}
