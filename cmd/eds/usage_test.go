package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Wrong settings: exit 2, a message that names flag and value, and no dial.
func TestUsageErrors(t *testing.T) {
	for _, command := range []string{"listen", "forward"} {
		good := []string{command, "--url", "ws://127.0.0.1:1", "--queue", "q", "--api-key", canary}
		if command == "forward" {
			good = append(good, "--to", "http://127.0.0.1:1")
		}
		cases := [][2]string{
			{"--url", "http://eds.example"}, {"--url", "eds.example"}, {"--url", "ws://"}, {"--url", "://"},
			{"--url", "ws://eds.example"}, {"--url", ""}, {"--queue", ""}, {"--api-key", ""},
			{"--dedupe", "memcached://h"}, {"--dedupe", ""}, {"--dedupe", "redis://h:port"}, {"--dedupe", "redis://h/x"},
			{"--concurrency", "0"}, {"--concurrency", "-1"}, {"--concurrency", "many"}, {"--drain-timeout", "-1s"},
			{"--ping-interval", "0s"}, {"--ping-interval", "soon"}, {"--pong-timeout", "-1s"},
			{"--reconnect-min", "0s"}, {"--reconnect-max", "-1s"}, {"--reconnect-min", "1"}, {"--type", ""},
			{"--log-level", "loud"}, {"--log-format", "xml"}, {"--nonsense", "x"},
		}
		if command == "listen" {
			cases = append(cases, [][2]string{{"--max-events", "-1"}, {"--max-events", "x"}}...)
		} else {
			cases = append(cases, [][2]string{
				{"--to", "ftp://127.0.0.1"}, {"--to", "nowhere"}, {"--to", ""}, {"--attempts", "0"}, {"--timeout", "0s"},
			}...)
		}
		for _, tc := range cases {
			code, out, errs := invoke(t, append(slices.Clone(good), tc[0]+"="+tc[1])...)
			value := tc[1]
			if tc[0] == "--nonsense" || tc[0] == "--to" && value == "nowhere" {
				value = ""
			}
			if code != 2 || out != "" || !strings.Contains(errs, tc[0]) || !strings.Contains(errs, value) {
				t.Errorf("%s %v: exit %d: %s%s", command, tc, code, out, errs)
			}
		}
		for i := 1; i < len(good); i += 2 {
			code, _, errs := invoke(t, slices.Delete(slices.Clone(good), i, i+2)...)
			if code != 2 || !strings.Contains(errs, good[i]) {
				t.Errorf("without %s: exit %d: %s", good[i], code, errs)
			}
		}
		if code, _, errs := invoke(t, append(good, "--reconnect-min", "2s", "--reconnect-max", "1s")...); code != 2 || !strings.Contains(errs, "--reconnect-max") {
			t.Errorf("exit %d: %s", code, errs)
		}
		if code, _, errs := invoke(t, append(good, "surplus")...); code != 2 || !strings.Contains(errs, "surplus") {
			t.Errorf("exit %d: %s", code, errs)
		}
	}
	for _, args := range [][]string{{"nonsense"}, {"deadletters"}, {"deadletters", "list"}, {"deadletters", "replay", "f"}} {
		if code, _, errs := invoke(t, args...); code != 2 || errs == "" {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
	if code, out, errs := invoke(t); code != 2 || out != "" || !strings.Contains(errs, "Usage: eds <command>") {
		t.Errorf("no command: exit %d: %s%s", code, out, errs)
	}
}

// Likewise for the commands around a stream.
func TestStreamUsageErrors(t *testing.T) {
	const stream = "redis://127.0.0.1:1/work"
	pipeline := [][2]string{
		{"--concurrency", "0"}, {"--drain-timeout", "-1s"}, {"--dedupe", "memcached://h"}, {"--dedupe", "redis://h/x"}, {"--type", ""},
		{"--dead-letter", "redis://h"}, {"--dead-letter", stream}, {"--health-addr", "8080"}, {"--partitions", "0"}, {"--partitions", "1025"},
	}
	urls := []string{"", "127.0.0.1/work", "http://h/work", "redis://", "redis://h", "redis://h/", "redis://h/3", "redis://h/a/b", "redis://h:port/a",
		"redis://h/a?db=x", "redis://h/a?nonsense=1"}
	for _, command := range []struct {
		good  []string
		wrong [][2]string
		url   string
	}{
		{
			[]string{"relay", "--url", "ws://127.0.0.1:1", "--queue", "q", "--api-key", "k", "--to", stream},
			[][2]string{{"--replicas", "-1"}, {"--order-by", "id"}, {"--order-by", ""}, {"--queue", "q"}, {"--lease", "memory"}, {"--lease", "redis://h/x"}}, "--to",
		},
		{
			[]string{"work", "--from", stream, "--group", "g", "--forward-to", "http://127.0.0.1:1"},
			[][2]string{{"--group", ""}, {"--attempts", "0"}, {"--attempts", "3"}, {"--min-idle", "1ms"}, {"--timeout", "0s"}, {"--forward-to", "ftp://127.0.0.1"},
				{"--exec", "true"}, {"--secret", "short"}}, "--from",
		},
		{
			[]string{"work", "--from", stream, "--group", "g", "--exec", "cat"},
			[][2]string{{"--exec", "no-such-program-7f3a"}, {"--exec", " "}, {"--structured", "true"}, {"--secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}, "--from",
		},
	} {
		for _, tc := range slices.Concat(command.wrong, pipeline) {
			code, out, errs := invoke(t, append(slices.Clone(command.good), tc[0]+"="+tc[1])...)
			value := strings.TrimSpace(tc[1])
			switch tc[0] {
			case "--structured", "--secret":
				value = ""
			}
			if code != 2 || out != "" || !strings.Contains(errs, tc[0]) || !strings.Contains(errs, value) {
				t.Errorf("%s %v: exit %d: %s%s", command.good[0], tc, code, out, errs)
			}
		}
		for _, url := range urls {
			code, out, errs := invoke(t, append(slices.Clone(command.good), command.url+"="+url)...)
			shown, _, _ := strings.Cut(url, "?")
			if code != 2 || out != "" || !strings.Contains(errs, command.url) || !strings.Contains(errs, shown) {
				t.Errorf("%s %s %q: exit %d: %s%s", command.good[0], command.url, url, code, out, errs)
			}
		}
		for i := 1; i < len(command.good); i += 2 {
			code, _, errs := invoke(t, slices.Delete(slices.Clone(command.good), i, i+2)...)
			if code != 2 || !strings.Contains(errs, command.good[i]) {
				t.Errorf("%s without %s: exit %d: %s", command.good[0], command.good[i], code, errs)
			}
		}
	}
	listen := []string{"listen", "--url", "ws://127.0.0.1:1", "--queue", "q", "--api-key", "k"}
	forward := append([]string{"forward", "--to", "http://127.0.0.1:1"}, listen[1:]...)
	reader := []string{"relay", "--url", "ws://127.0.0.1:1", "--topic", "a/b/c", "--to", stream}
	for _, tc := range []struct {
		args  []string
		named string
	}{
		{append(listen, "--queue", "p"), `"p"`}, {append(listen, "--dedupe", "stream"), "--dedupe"},
		{append(forward, "--spool", ""), "--spool"}, {append(forward, "--spool", "f", "--attempts", "2"), "--attempts"},
		{append(reader, "--standby"), "--standby"}, {append(reader, "--lease", "redis://h"), "--lease"},
		{append(reader, "--subscription", "s", "--subscription-type", "Shared", "--standby"), "--subscription-type"},
		{[]string{"backlog"}, "<where>"}, {[]string{"backlog", "redis://h"}, "STREAM"}, {[]string{"backlog", "http://:8081"}, "<where>"}, {[]string{"backlog", "f", "--partitions", "0"}, "--partitions"},
		{[]string{"deadletters", "list", "redis://h"}, "STREAM"},
	} {
		if code, out, errs := invoke(t, tc.args...); code != 2 || out != "" || !strings.Contains(errs, tc.named) {
			t.Errorf("%v: exit %d: %s%s", tc.args, code, out, errs)
		}
	}
}

// Whatever is wrong, no secret is shown.
func TestUsageErrorsShowNoSecret(t *testing.T) {
	for _, args := range [][]string{
		{"listen", "--url", "http://u:" + canary + "@h/?key=" + canary, "--queue", "q"},
		{"listen", "--url", "ws://u:" + canary + "@127.0.0.1/", "--queue", "q", "--api-key", "k"},
		{"listen", "--url", "wss://u:" + canary + "@ h", "--queue", "q", "--api-key", "k"},
		{"listen", "--url", "ws://127.0.0.1", "--queue", "q", "--api-key", canary + "\n" + canary},
		{"listen", "--url", "ws://127.0.0.1", "--queue", "q", "--apikey=" + canary},
		{"listen", "--url", "ws://127.0.0.1", "--queue", "q", "--api-key", canary, "--concurrency", "0"},
		{"listen", "--url", "ws://127.0.0.1", "--queue", "q", "--api-key", "k", "--dedupe", "redis://:" + canary + "@h:port"},
		{"listen", "--url", "ws://127.0.0.1", "--queue", "q", "--api-key", "k", "--dedupe", "redis://:" + canary + "@h/x?password=" + canary},
		{"forward", "--url", "ws://127.0.0.1", "--queue", "q", "--api-key", "k", "--to", "ftp://u:" + canary + "@h/" + canary},
		{"forward", "--url", "ws://127.0.0.1", "--queue", "q", "--api-key", "k", "--to", "http://h", "--secret", canary},
		{"simulate", "--queue", "q", "--api-key", canary, "--window", "0"},
		{"relay", "--url", "ws://127.0.0.1", "--queue", "q", "--api-key", "k", "--to", "redis://:" + canary + "@h"},
		{"relay", "--url", "ws://127.0.0.1", "--queue", "q", "--api-key", "k", "--to", "redis://:p?" + canary + "@h/x"},
		{"relay", "--url", "ws://127.0.0.1", "--queue", "q", "--api-key", "k", "--to", "redis://:p/" + canary + "@h/x"},
		{"relay", "--url", "ws://127.0.0.1", "--queue", "q", "--api-key", "k", "--to", "redis://:p@h/x?password=" + canary},
		{"relay", "--url", "ws://127.0.0.1", "--queue", "q", "--api-key", "k", "--to", "redis://h/x", "--lease", "redis://:" + canary + "@h/x"},
		{"relay", "--url", "ws://127.0.0.1", "--queue", "q", "--api-key", "k", "--to", "redis://h/x", "--dead-letter", "redis://:" + canary + "@h/x/y"},
		{"work", "--from", "redis://u:" + canary + "@h:port/x", "--group", "g", "--exec", "cat"},
		{"work", "--from", "redis://h/x", "--group", "g", "--exec", "no-such-program-7f3a " + canary},
		{"work", "--from", "redis://h/x", "--group", "g", "--exec", "cat " + canary, "--forward-to", "http://u:" + canary + "@h/" + canary},
		{"relay", "--url", "ws://127.0.0.1", "--queue", "q", "--api-key", "k", "--to", "redis://h/x", "--lease", "u:" + canary + "@h:6379"},
		{"work", "--from", "redis://h/x", "--group", "g", "--exec", "TOKEN=" + canary + " cat", "--secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
		{"work", "--from", "redis://h/x", "--group", "g", "--exec", "TOKEN=" + canary + " cat", "--forward-to", "http://h"},
		{"backlog", "redis://:" + canary + "@h/"},
		{"backlog", "http://u:" + canary + "@/?key=" + canary},
		{"deadletters", "show", "rediss://:" + canary + "@h/"},
	} {
		code, out, errs := invoke(t, args...)
		if code != 2 || strings.Contains(out+errs, canary) || errs == "" {
			t.Errorf("%q: exit %d: %s%s", args, code, out, errs)
		}
	}
}

// The flag wins over the variable, also over one that is wrong.
func TestFlagWinsOverVariable(t *testing.T) {
	srv := service(t)
	all := publishMany(t, srv, 3)
	c := start(t, listening(srv, "--max-events", "1", "--concurrency", "1", "--dedupe", "memory", "--type", "*"),
		env("EDS_MAX_EVENTS=3", "EDS_URL=http://wrong", "EDS_QUEUE=other", "EDS_API_KEY=other", "EDS_CONCURRENCY=many", "EDS_DEDUPE=nonsense", "EDS_TYPE=NONE"))
	c.exits(0)
	if got := ids(c.printed()); !slices.Equal(got, all[:1]) {
		t.Errorf("printed %v", got)
	}
	c = start(t, []string{"listen"},
		env("EDS_MAX_EVENTS=2", "EDS_URL="+srv.URL(), "EDS_QUEUE=orders", "EDS_API_KEY="+canary, "EDS_RECONNECT_MAX=10ms", "EDS_LOG_FORMAT=json", "EDS_TYPE=ORDER"))
	c.exits(0)
	if got := ids(c.printed()); !slices.Equal(got, all[1:]) {
		t.Errorf("printed %v", got)
	}
	if !strings.HasPrefix(c.logged(), `{"time":`) {
		t.Errorf("stderr: %s", c.logged())
	}
	c = start(t, listening(srv), env("EDS_CONCURRENCY=many"))
	c.exits(2)
	if got := c.logged(); !strings.Contains(got, "EDS_CONCURRENCY") || !strings.Contains(got, "many") {
		t.Errorf("stderr: %s", got)
	}
}

func TestBackoffBounds(t *testing.T) {
	d := func(d time.Duration) *time.Duration { return &d }
	for _, tc := range []struct {
		min, max    *time.Duration
		least, most time.Duration
	}{
		{nil, nil, 500 * time.Millisecond, 30 * time.Second},
		{nil, d(time.Millisecond), time.Millisecond, time.Millisecond},
		{d(time.Minute), nil, time.Minute, time.Minute},
		{d(time.Second), d(time.Hour), time.Second, time.Hour},
		{d(time.Hour), d(time.Second), time.Hour, time.Second}, // refused
	} {
		f := sourceFlags{ReconnectMin: tc.min, ReconnectMax: tc.max}
		if least, most := f.backoff(); least != tc.least || most != tc.most {
			t.Errorf("%v, %v: %v, %v", tc.min, tc.max, least, most)
		}
	}
}

// Every command has a help text with an example.
func TestHelp(t *testing.T) {
	for _, command := range []string{"listen", "forward", "simulate", "deadletters list", "deadletters show", "deadletters replay", "relay", "work", "backlog", "version"} {
		code, out, errs := invoke(t, append(strings.Fields(command), "--help")...)
		if code != 0 || errs != "" || !strings.Contains(out, "Example:") || !strings.Contains(out, "eds "+command) {
			t.Errorf("%s: exit %d\n%s%s", command, code, out, errs)
		}
	}
	if code, out, _ := invoke(t, "--help"); code != 0 || !strings.Contains(out, "simulate") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestVersion(t *testing.T) {
	code, out, errs := invoke(t, "version")
	if code != 0 || errs != "" || !strings.HasPrefix(out, "eds ") || strings.Count(out, "\n") != 1 {
		t.Error(fmt.Sprint(code, out, errs))
	}
}
