// Package program hands each event to a program of its own, in any language:
//
//	sink, err := program.New([]string{"python3", "/srv/crm/on_event.py"}, program.Output(os.Stderr))
//	...
//	app.Handle("*", sink.Handle)
//
// The program is started for each event and finds it on its standard input,
// as one line of CloudEvents 1.0 JSON. Its exit code is the answer:
//
//	0         the event is done
//	75        try again (EX_TEMPFAIL of sysexits.h)
//	others    no repetition mends it (eds.Permanent)
//
// A program that a signal killed, one that was interrupted, and one that could
// not be started say nothing about the event: it is worth another try. So are
// the exit codes 129 to 159, by which a shell tells of a signal (128 and its
// number; POSIX, Shell Command Language, 2.8.2).
//
// The program may get an event more than once, and should use its id and
// source as the idempotency key. What it writes is for people: see Output.
//
// # Environment
//
// The program has the environment of this process, without the variables that
// begin with EDS_ and without OTEL_EXPORTER_OTLP_HEADERS and its kin, which
// hold the credentials of the eds command and say where its own things go; Env
// adds what it needs of them. Besides there are
//
//	EDS_EVENT_ID     id of the event, as in the line
//	EDS_EVENT_TYPE   its type, as in the line
//	EDS_ATTEMPT      how often it was taken on, from 1; 0 when nobody counted
//	TRACEPARENT      W3C trace context of the handler's span, when there is one
//	                 and the program has set a propagator; TRACESTATE and
//	                 BAGGAGE likewise
//
// An id or a type of more than 64 KiB is in the line alone, since an operating
// system refuses variables that long.
//
// # The end of an event's time
//
// When the handler's context ends, by its deadline or a shutdown, the program
// and all that it has started, which are a process group of their own, get
// SIGTERM, and SIGKILL after Grace. A program that ends with 0 nonetheless has
// done the event. Elsewhere than on Unix the program is killed at once, and
// what it has started is left alone.
//
// A child that outlives a program that ended by itself is not touched. When it
// holds on to the program's output, the event waits for it for two seconds.
// When this process has the id 1, as in a container, nobody waits for such
// children: run it below an init (tini, docker run --init).
package program
