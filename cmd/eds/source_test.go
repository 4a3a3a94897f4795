package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// Each combination that makes no sense: exit 2, no dial, and one line that
// names the flags and what they were set to.
func TestTopicUsageErrors(t *testing.T) {
	to := map[string][]string{"listen": nil, "forward": {"--to", "http://127.0.0.1:1"}}
	const message = "CAEQADAA"
	for _, tc := range []struct {
		args string
		want string // what the error says, part by part
	}{
		{"--queue q --topic a/b/c", `--queue "q"|--topic "a/b/c"|together`},
		{"", `--queue|--topic|is missing`},
		{"--topic=", `--queue|--topic|is missing`},
		{"--queue q --subscription s", `--subscription "s"|--topic|--queue "q"`},
		{"--queue q --tenant t", `--tenant "t"|--queue "q"`},
		{"--queue q --from earliest", `--from "earliest"|--queue "q"`},
		{"--queue q --cursor f", `--cursor "f"|--queue "q"`},
		{"--queue q --window 5", `--window "5"|--queue "q"`},
		{"--queue q --ack-timeout 5s", `--ack-timeout "5s"|--queue "q"`},
		{"--queue q --service 8x8", `--service "8x8"|--queue "q"`},
		{"--queue q --region US2", `--region "US2"|--queue "q"`},
		{"--topic a/b/c --subscription s --cursor f", `--cursor "f"|Reader|--subscription "s"`},
		{"--topic a/b/c --subscription s --from " + message, `--from "` + message + `"|Reader|--subscription "s"`},
		{"--topic a/b/c --subscription=", `--subscription ""|empty`},
		{"--topic a/b/c --cursor=", `--cursor ""|empty`},
		{"--topic a/b/c --subscription s --subscription-type Several", `--subscription-type "Several"|Key_Shared`},
		{"--topic a/b/c --subscription-type Shared", `--subscription-type "Shared"|--subscription`},
		{"--topic a/b/c --ack-timeout 5s", `--ack-timeout "5s"|--subscription`},
		{"--topic a/b/c --pull", `--pull|--subscription`},
		{"--topic a/b/c --subscription s --ack-timeout 5ms", `--ack-timeout "5ms"|1s`},
		{"--topic a/b/c --window 0", `--window "0"|1 to 1000`},
		{"--topic a/b/c --window 1001", `--window "1001"|1 to 1000`},
		{"--topic a/b/c --window many", `--window|many`},
		{"--topic a/b/c --nack-delay 0s", `--nack-delay "0s"|above zero`},
		{"--topic a/b/c --from yesterday", `--from "yesterday"|earliest, latest`},
		{"--topic a/b/c --from=", `--from ""|earliest, latest`},
		{"--topic a/b", `--topic "a/b"|TENANT/NAMESPACE/TOPIC`},
		{"--topic a/b/", `--topic "a/b/"|empty`},
		{"--topic a//c", `--topic "a//c"|namespace`},
		{"--topic a!/b/c", `--topic "a!/b/c"|tenant`},
		{"--topic memory://a/b/c", `--topic "memory://a/b/c"|persistent://`},
		{"--topic c", `--tenant|missing|--topic "c"|EDS_TENANT`},
		{"--topic c --tenant=", `--tenant|missing|--topic "c"`},
		{"--topic c --tenant t", `--namespace|missing|--topic "c"|EDS_NAMESPACE`},
		{"--topic c --tenant t! --namespace n", `--topic "c"|--tenant "t!"|tenant may hold`},
		{"--topic c --tenant t --namespace n!", `--namespace "n!"|namespace may hold`},
		{"--topic a/b/c --tenant t", `--tenant "t"|--topic "a/b/c"`},
		{"--topic a/b/c --namespace n", `--namespace "n"|--topic "a/b/c"`},
		{"--topic c --service 8x8", `--tenant|missing`},
		{"--topic c --tenant t! --service 8x8", `--tenant "t!"|tenant may hold`},
		{"--topic a/b/c --service kafka", `--service "kafka"|8x8 or pulsar`},
		{"--topic a/b/c --region US2", `--region "US2"|--url "ws://127.0.0.1:1"`},
		{"--topic a/b/c --ping-interval 0s", `--ping-interval "0s"`},
		{"--topic a/b/c --reconnect-min 2s --reconnect-max 1s", `--reconnect-max "1s"`},
		{"--topic a/b/c --url ws://far.example", `--url "ws://far.example"|--insecure`},
		{"--topic a/b/c --url pulsar://h:6650", `--url "pulsar://h:6650"|wss://`},
		{"--topic a/b/c --url wss://h/ws/v2/reader/persistent/a/b/c?token=" + canary, `--url "wss://h/ws/v2/reader/persistent/a/b/c"|before /ws/`},
		{"--topic a/b/c --url wss://u:" + canary + "@h", `--url "wss://h"|password`},
		{"--topic c --tenant t --url= --region US9", `--region "US9"|UK3, US1, US2`},
		{"--topic c --tenant t --url= --region HK1", `--region "HK1"|no host yet`},
		{"--topic c --tenant t --url= --cluster XX1", `--cluster "XX1"|NA7`},
		{"--topic c --tenant t --url= --cluster NA7 --region US2", `--region "US2"|--cluster "NA7"|together`},
		{"--topic c --tenant t --url= --region US2 --service pulsar", `--service "pulsar"|--url`},
		{"--topic c --tenant t --url= --region US2 --api-key=", `--api-key|missing`},
		{"--topic a/b/c --url=", `--url|--region|--cluster|missing`},
	} {
		for command, more := range to {
			args := slices.Concat([]string{command, "--url", "ws://127.0.0.1:1", "--api-key", canary}, more, strings.Fields(tc.args))
			code, out, errs := invoke(t, args...)
			line, _, _ := strings.Cut(errs, "\n")
			for part := range strings.SplitSeq(tc.want, "|") {
				if code != 2 || out != "" || !strings.Contains(line, part) || strings.Contains(errs, canary) {
					t.Errorf("%s %s: exit %d, without %s: %s%s", command, tc.args, code, part, out, errs)
					break
				}
			}
			if n := strings.Count(errs, "\n"); n != 2 { // and where the help is
				t.Errorf("%s %s: %d lines: %s", command, tc.args, n, errs)
			}
		}
	}
}

// A key with a line break is refused, and not shown.
func TestTopicUsageErrorsShowNoSecret(t *testing.T) {
	code, out, errs := invoke(t, "listen", "--url", "wss://127.0.0.1:1", "--topic", "a/b/c", "--api-key", canary+"\n"+canary)
	if code != 2 || strings.Contains(out+errs, canary) || !strings.Contains(errs, "--api-key") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
}

// The flag that names a source wins over a variable that names the other kind,
// with all that belongs to that.
func TestFlagChoosesTheSource(t *testing.T) {
	topics := broker(t)
	queues := service(t)
	variables := env("EDS_API_KEY="+canary, "EDS_QUEUE=orders", "EDS_TOPIC="+shop, "EDS_FROM=earliest", "EDS_WINDOW=2",
		"EDS_TENANT=other", "EDS_NAMESPACE=other", "EDS_REGION=US2", "EDS_MAX_EVENTS=1")
	message := put(t, topics, shop, "1")
	c := start(t, []string{"listen", "--url", topics.URL(), "--topic", shop}, variables)
	c.exits(0)
	if got := ids(c.printed()); !slices.Equal(got, message) {
		t.Errorf("printed %v", got)
	}
	event := publish(t, queues, "ORDER", `{}`)
	c = start(t, []string{"listen", "--url", queues.URL(), "--queue", "orders"}, variables)
	c.exits(0)
	if got := ids(c.printed()); !slices.Equal(got, []string{event}) {
		t.Errorf("printed %v", got)
	}
	for _, r := range topics.History() {
		if r.Op == pulsartest.OpConnect && r.Conn > 1 {
			t.Error("the topic was asked for the queue's events")
		}
	}
	if n := len(records(queues, edstest.OpConnect)); n != 1 {
		t.Errorf("%d connections to the queue", n)
	}
	c = start(t, []string{"listen", "--url", queues.URL()}, variables)
	c.exits(2)
	if got := c.logged(); !strings.Contains(got, `--queue "orders"`) || !strings.Contains(got, "--topic") {
		t.Errorf("stderr: %s", got)
	}
}

// The variables say all that the flags do.
func TestTopicFromVariables(t *testing.T) {
	srv := broker(t)
	id := put(t, srv, shop, "1")
	c := start(t, []string{"listen"}, env("EDS_API_KEY="+canary, "EDS_URL="+srv.URL(), "EDS_TENANT=acme", "EDS_NAMESPACE=shop", "EDS_TOPIC=orders",
		"EDS_SUBSCRIPTION=billing", "EDS_SUBSCRIPTION_TYPE=Failover", "EDS_FROM=earliest", "EDS_MAX_EVENTS=1"))
	c.exits(0)
	settled(t, srv, "billing", id...)
}

// The help says how the source is chosen, group by group.
func TestHelpTellsSources(t *testing.T) {
	for _, command := range []string{"listen", "forward"} {
		_, out, _ := invoke(t, command, "--help")
		last := 0
		for _, part := range []string{"with --queue NAME", "From a queue of EDS:", "--queue=NAME", "From a topic of Pulsar or 8x8:", "--topic=NAME", "--subscription=NAME", "--cursor=FILE", "Where the topic is one of 8x8's:", "--region=NAME"} {
			at := strings.Index(out, part)
			if at < last {
				t.Errorf("%s: %s is missing or out of place\n%s", command, part, out)
				break
			}
			last = at
		}
	}
}
