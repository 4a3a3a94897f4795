package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds/edstest"
)

// frame is an EVENT with these members of the payload, and a receipt.
func frame(members string) []byte {
	return fmt.Appendf(nil, `{"frameType":"EVENT","framePayload":{"receiptId":"%s",%s}}`, edstest.Receipt, members)
}

func publishFrame(t *testing.T, srv *edstest.Server, message []byte) string {
	t.Helper()
	return must[string](t)(srv.PublishRaw("orders", message))
}

// The line is what scripts read; each case is one promise about it.
func TestListenPrintsCloudEvents(t *testing.T) {
	srv := service(t)
	source := "eds://" + strings.TrimPrefix(srv.URL(), "ws://") + "/orders"
	head := `{"specversion":"1.0","id":"%s","source":"` + source + `","type":"T","edsqueue":"orders"%s,"datacontenttype":"application/json","data":%s}`
	cases := []struct{ name, members, id, time, data string }{
		{"plain", `"eventId":"a","eventType":"T","eventTs":"2026-03-20T14:30:00.123Z","queueName":"orders","eventPayload":{"x":1}`, "a", "2026-03-20T14:30:00.123Z", `{"x":1}`},
		{"numbers stay exact", `"eventId":"b","eventType":"T","eventPayload":{"n":9007199254740993,"f":0.10,"e":1E+400,"z":-0}`, "b", "", `{"n":9007199254740993,"f":0.10,"e":1E+400,"z":-0}`},
		{"null payload", `"eventId":"c","eventType":"T","eventPayload":null`, "c", "", "null"},
		{"no payload", `"eventId":"d","eventType":"T"`, "d", "", "null"},
		{"payload that is no object", `"eventId":"e","eventType":"T","eventPayload":[1,"x",true]`, "e", "", `[1,"x",true]`},
		{"time that is none", `"eventId":"f","eventType":"T","eventTs":"yesterday","eventPayload":1`, "f", "", "1"},
		{"time without a zone", `"eventId":"g","eventType":"T","eventTs":"2026-03-20 14:30:00","eventPayload":1`, "g", "", "1"},
		{"time that is a number", `"eventId":"h","eventType":"T","eventTs":1774017000,"eventPayload":1`, "h", "", "1"},
		{"time with an offset", `"eventId":"i","eventType":"T","eventTs":"2026-03-20T14:30:00+02:00","eventPayload":1`, "i", "2026-03-20T14:30:00+02:00", "1"},
		{"unicode and escapes", `"eventId":"jürgen 🎉","eventType":"T","eventPayload":"\u00e9 é 🎉 \ud83c\udf89 \" \\ \n"`, "jürgen 🎉", "", `"\u00e9 é 🎉 \ud83c\udf89 \" \\ \n"`},
		{"white space becomes one line", "\"eventId\":\"k\",\"eventType\":\"T\",\"eventPayload\":{\n  \"a\" : [ 1,\n 2 ]\r\n}", "k", "", `{"a":[1,2]}`},
		{"unknown members", `"eventId":"l","eventType":"T","novelty":{"receiptId":"other"},"eventPayload":"x"`, "l", "", `"x"`},
		{"members in another order and escaped", `"eventPayload":{"eventId":"inner"},"event\u0049d":"m","event\u0054ype":"T"`, "m", "", `{"eventId":"inner"}`},
		{"a large payload", `"eventId":"n","eventType":"T","eventPayload":"` + strings.Repeat("x", 1<<20) + `"`, "n", "", `"` + strings.Repeat("x", 1<<20) + `"`},
	}
	var published []string
	for _, tc := range cases {
		published = append(published, publishFrame(t, srv, frame(tc.members)))
	}
	c := start(t, listening(srv))
	got := c.lines(len(cases))
	for i, tc := range cases {
		time := ""
		if tc.time != "" {
			time = `,"time":"` + tc.time + `"`
		}
		if want := fmt.Sprintf(head, tc.id, time, tc.data); got[i].raw != want {
			t.Errorf("%s:\n got %.400s\nwant %.400s", tc.name, got[i].raw, want)
		}
	}
	acked(t, srv, published...)
	c.stops()
	closedCleanly(t, srv)
	if n := len(c.printed()); n != len(cases) {
		t.Errorf("%d lines for %d events", n, len(cases))
	}
}

// What has a receipt but is no event is dead-lettered and acknowledged, not
// printed, with a file and without.
func TestListenDeadLettersWhatIsNoEvent(t *testing.T) {
	bad := map[string]string{
		"no id":               `"eventType":"T"`,
		"null id":             `"eventId":null,"eventType":"T"`,
		"empty id":            `"eventId":"","eventType":"T"`,
		"numeric id":          `"eventId":7,"eventType":"T"`,
		"id that is an array": `"eventId":["x"],"eventType":"T"`,
		"no type":             `"eventId":"x"`,
		"null type":           `"eventId":"x","eventType":null`,
		"empty type":          `"eventId":"x","eventType":""`,
		"another queue":       `"eventId":"x","eventType":"T","queueName":"other"`,
		"id twice":            `"eventId":"x","eventId":"y","eventType":"T"`,
		"id in another case":  `"eventId":"x","EVENTID":"y","eventType":"T"`,
		"deep nesting":        `"eventId":"x","eventType":"T","eventPayload":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"half a surrogate":    `"eventId":"\ud800","eventType":"T"`,
		"invalid UTF-8":       "\"eventId\":\"x\xff\",\"eventType\":\"T\"",
	}
	for _, with := range []bool{true, false} {
		t.Run(fmt.Sprintf("file=%v", with), func(t *testing.T) {
			srv := service(t)
			var published []string
			for _, members := range bad {
				published = append(published, publishFrame(t, srv, frame(members)))
			}
			published = append(published, publish(t, srv, "T", `"good"`))
			args, file := listening(srv), t.TempDir()+"/dead.jsonl"
			if with {
				args = append(args, "--dead-letter", file)
			}
			c := start(t, args)
			acked(t, srv, published...)
			c.lines(1)
			c.stops()
			if n := len(c.printed()); n != 1 {
				t.Errorf("%d lines: %v", n, ids(c.printed()))
			}
			if n := len(records(srv, edstest.OpConnect)); n != 1 {
				t.Errorf("%d connections", n)
			}
			if with {
				code, out, errs := invoke(t, "deadletters", "list", file)
				if code != 0 || strings.Count(out, "\n") != 1+len(bad) || !strings.Contains(out, "malformed") {
					t.Errorf("exit %d\n%s%s", code, out, errs)
				}
			}
		})
	}
}

// Garbage is passed over on the same connection.
func TestListenSurvivesGarbage(t *testing.T) {
	srv := service(t)
	c := start(t, listening(srv))
	if err := srv.WaitConnected(watchdog(t)); err != nil {
		t.Fatal(err)
	}
	q := srv.Queue("orders")
	for _, message := range []string{
		``, `garbage`, `{`, `[]`, `[{"frameType":"EVENT"}]`, `null`, `true`, `17`, `"EVENT"`, `{}`, `{"frameType":null}`,
		`{"frameType":["EVENT"]}`, `{"frameType":"EVENT"}`, `{"frameType":"EVENT","framePayload":null}`,
		`{"frameType":"EVENT","framePayload":[]}`, `{"frameType":"EVENT","framePayload":"x"}`,
		`{"frameType":"EVENT","framePayload":{}}`, `{"frameType":"NOVELTY","framePayload":{"a":1}}`,
		`{"frameType":"PONG"}`, `{"frameType":"PONG","framePayload":{"correlationId":7}}`,
		`{"frameType":"ACK_EVENT_REPLY"}`, `{"frameType":"ACK_EVENT_REPLY","framePayload":{"receiptId":"never sent"}}`,
		`{"frameType":"EVENT","framePayload":{"eventId":"x","eventType":"T","receiptId":"r"}} trailing`,
		strings.Repeat(`{"a":`, 100_000), strings.Repeat(`[`, 1<<20), "{\"frameType\":\"\xff\xfe\"}", strings.Repeat(" ", 1<<20),
	} {
		if !q.Send([]byte(message)) {
			t.Fatal("not connected")
		}
	}
	q.SendBinary([]byte{0, 1, 2, 0xff})
	id := publish(t, srv, "T", `"good"`)
	acked(t, srv, id)
	if got := c.lines(1); got[0].ID != id {
		t.Errorf("printed %v", ids(got))
	}
	c.stops()
	if n := len(records(srv, edstest.OpConnect)); n != 1 {
		t.Errorf("%d connections", n)
	}
	if strings.Contains(c.logged(), "NOVELTY") || strings.Contains(c.logged(), "garbage") {
		t.Error("content of a frame was logged")
	}
}

// An event without a receipt comes again whatever is done: it is printed once,
// with --dedupe off too, and logged.
func TestListenWithoutReceipt(t *testing.T) {
	for _, mode := range []string{"memory", "off"} {
		t.Run(mode, func(t *testing.T) {
			srv := service(t)
			for range 3 {
				publishFrame(t, srv, []byte(`{"frameType":"EVENT","framePayload":{"eventId":"x","eventType":"T"}}`))
			}
			for _, missing := range []string{`null`, `7`, `""`} {
				publishFrame(t, srv, []byte(`{"frameType":"EVENT","framePayload":{"eventId":"y","eventType":"T","receiptId":`+missing+`}}`))
			}
			last := publish(t, srv, "T", `{}`)
			c := start(t, listening(srv, "--dedupe", mode))
			acked(t, srv, last)
			c.untilLogs("receipt", 1)
			c.stops()
			if got := ids(c.printed()); !slices.Equal(got, []string{"x", "y", last}) {
				t.Errorf("printed %v", got)
			}
			if n := len(records(srv, edstest.OpAck, edstest.OpAckUnknown)); n != 1 {
				t.Errorf("%d acknowledgements", n)
			}
		})
	}
}

// Events of other types are acknowledged and not printed.
func TestListenFiltersByType(t *testing.T) {
	srv := service(t)
	var all []string
	for _, kind := range []string{"ORDER_PAID", "ORDER_SENT", "TENANT_ONBOARDED", "ORDERS", "order_paid", "TENANT_LEFT"} {
		all = append(all, publish(t, srv, kind, `{}`))
	}
	c := start(t, listening(srv, "--type", "ORDER_*", "--type", "TENANT_LEFT"), env("EDS_TYPE=TENANT_ONBOARDED"))
	acked(t, srv, all...)
	c.stops()
	if got := ids(c.printed()); !slices.Equal(got, []string{all[0], all[1], all[5]}) {
		t.Errorf("printed %v of %v", got, all)
	}
}
