package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/cursor"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

const shop = "acme/shop/orders"

// broker starts a Pulsar that asks for the canary as its token.
func broker(t *testing.T, opts ...pulsartest.Option) *pulsartest.Server {
	t.Helper()
	srv := pulsartest.NewTestServer(t, append([]pulsartest.Option{pulsartest.Token(canary)}, opts...)...)
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	return srv
}

// reading are the arguments with which listen receives from a topic.
func reading(srv *pulsartest.Server, more ...string) []string {
	return append([]string{"listen", "--url", srv.URL(), "--topic", shop, "--api-key", canary, "--reconnect-min", "5ms", "--reconnect-max", "50ms"}, more...)
}

func put(t *testing.T, srv *pulsartest.Server, topic string, payloads ...string) (ids []string) {
	t.Helper()
	for _, p := range payloads {
		ids = append(ids, must[string](t)(srv.Publish(topic, pulsartest.Message{Payload: []byte(p)})))
	}
	return ids
}

func numbers(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(i+1))
	}
	return all
}

func settled(t *testing.T, srv *pulsartest.Server, subscription string, ids ...string) {
	t.Helper()
	if err := srv.WaitAcked(watchdog(t), shop, subscription, ids...); err != nil {
		t.Fatal(err)
	}
}

func seen(t *testing.T, srv *pulsartest.Server, n int, op pulsartest.Op) pulsartest.Record {
	t.Helper()
	return must[pulsartest.Record](t)(srv.WaitRecord(watchdog(t), func(r pulsartest.Record) bool {
		if r.Op == op {
			n--
		}
		return n == 0 && r.Op == op
	}))
}

// ends are the codes with which connections ended.
func ends(srv *pulsartest.Server) (codes []int) {
	for _, r := range srv.History() {
		if r.Op == pulsartest.OpDisconnect {
			codes = append(codes, r.Code)
		}
	}
	return codes
}

// A Reader with a cursor that was told to end goes on where it was: each event
// once.
func TestReaderGoesOnAfterItsEnd(t *testing.T) {
	srv := broker(t)
	place := filepath.Join(t.TempDir(), "place.cursor")
	all := put(t, srv, shop, numbers(10)...)
	first := start(t, reading(srv, "--from", "earliest", "--cursor", place, "--max-events", "4"))
	first.exits(0)
	// --from counts as long as there is no place alone.
	second := start(t, reading(srv, "--from", "earliest", "--cursor", place))
	second.lines(6)
	all = append(all, put(t, srv, shop, "11")...)
	second.lines(7)
	second.stops()
	if got := append(ids(first.printed()), ids(second.printed())...); !slices.Equal(got, all) {
		t.Errorf("printed %v of %v", got, all)
	}
	if got := ends(srv); !slices.Equal(got, []int{1000, 1000}) {
		t.Errorf("connections ended with %v", got)
	}
}

// One that was killed goes on where its cursor says: it repeats what came after
// that, and loses nothing.
func TestReaderGoesOnAfterKill(t *testing.T) {
	srv := broker(t)
	path := filepath.Join(t.TempDir(), "place.cursor")
	args := reading(srv, "--from", "earliest", "--cursor", path, "--window", "3")
	all := put(t, srv, shop, numbers(60)...)
	place := 0 // in all, of what comes next
	printed := map[string]bool{}
	for life := range 5 {
		more := []string{"--max-events", "0"}
		if life == 0 { // so that there is a place from the beginning
			more[1] = "5"
		}
		c := start(t, append(slices.Clone(args), more...))
		switch life {
		case 0:
			c.exits(0)
		case 4:
			c.until("the last event", func(out, _ string) bool { return strings.Contains(out, all[len(all)-1]) })
			c.stops()
		default:
			c.lines(5)
			_ = c.cmd.Process.Kill()
			c.ended()
		}
		got := ids(c.printed())
		if !slices.Equal(got, all[place:place+len(got)]) {
			t.Errorf("printed %v after %d of %v", got, place, all)
		}
		for _, id := range got {
			printed[id] = true
		}
		file := must[*cursor.File](t)(cursor.OpenFile(path))
		position := must[string](t)(file.Load(t.Context(), "persistent://"+shop))
		file.Close()
		if place = slices.Index(all, position) + 1; place == 0 {
			t.Fatalf("the place is %q", position)
		}
	}
	if len(printed) != len(all) || place != len(all) {
		t.Errorf("%d of %d were printed, and the place is %d", len(printed), len(all), place)
	}
}

// What was read and not yet written when the process was killed comes again.
func TestReaderKilledInMidLine(t *testing.T) {
	srv := broker(t)
	args := reading(srv, "--from", "earliest", "--cursor", filepath.Join(t.TempDir(), "place.cursor"))
	all := put(t, srv, shop, "1", large, "3")
	c := start(t, args, unread)
	c.untilWriting()
	_ = c.cmd.Process.Kill()
	<-c.done
	c = start(t, args, env())
	c.lines(2)
	c.until("the last event", func(out, _ string) bool { return strings.Contains(out, all[2]) })
	c.stops()
	if got := ids(c.printed()); !slices.Contains(got, all[1]) {
		t.Errorf("printed %v of %v", got, all)
	}
}

// Without a cursor a Reader begins with the latest, and says that it keeps
// nothing.
func TestReaderWithoutCursor(t *testing.T) {
	srv := broker(t)
	put(t, srv, shop, "1", "2")
	c := start(t, reading(srv))
	seen(t, srv, 1, pulsartest.OpConnect)
	later := put(t, srv, shop, "3")
	if got := ids(c.lines(1)); !slices.Equal(got, later) {
		t.Errorf("printed %v, not %v", got, later)
	}
	if !strings.Contains(c.logged(), "nothing is kept of the place") || !strings.Contains(c.logged(), "--cursor FILE") {
		t.Errorf("stderr: %s", c.logged())
	}
	c.stops()
}

// --from takes a message id, after which the Reader begins.
func TestReaderFromMessage(t *testing.T) {
	srv := broker(t, pulsartest.BatchIDs())
	all := put(t, srv, shop, numbers(5)...)
	c := start(t, reading(srv, "--from", all[2], "--max-events", "2"))
	c.exits(0)
	if got := ids(c.printed()); !slices.Equal(got, all[3:]) {
		t.Errorf("printed %v, not %v", got, all[3:])
	}
}

// One cursor file belongs to one process.
func TestReaderCursorIsTaken(t *testing.T) {
	srv := broker(t)
	place := filepath.Join(t.TempDir(), "place.cursor")
	holder := start(t, reading(srv, "--cursor", place))
	seen(t, srv, 1, pulsartest.OpConnect)
	second := start(t, reading(srv, "--cursor", place))
	second.exits(1)
	if got := second.logged(); !strings.Contains(got, "--cursor") || !strings.Contains(got, place) || !strings.Contains(got, "in use by another process") {
		t.Errorf("stderr: %s", got)
	}
	holder.stops()
	next := start(t, reading(srv, "--cursor", place))
	seen(t, srv, 2, pulsartest.OpConnect)
	next.stops()
}

// A cursor that cannot be used ends the command with the file's name, and
// stays as it is.
func TestReaderCursorIsRefused(t *testing.T) {
	srv := broker(t)
	dir := t.TempDir()
	place := func(name, position string) string {
		path := filepath.Join(dir, name)
		store := must[*cursor.File](t)(cursor.OpenFile(path))
		if err := store.Save(t.Context(), "persistent://"+shop, position); err != nil {
			t.Fatal(err)
		}
		store.Close()
		return path
	}
	damaged := filepath.Join(dir, "damaged")
	if err := os.WriteFile(damaged, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		// Base64, and no place of Pulsar's: the service answers 500.
		place("foreign", base64.StdEncoding.EncodeToString([]byte("foreign"))): "the service refuses this position",
		place("no id", "no id"):                "no message id",
		damaged:                                "",
		dir:                                    "not a regular file",
		filepath.Join(dir, "missing", "place"): "",
	} {
		before, _ := os.ReadFile(path)
		c := start(t, reading(srv, "--cursor", path, "--from", "earliest"))
		c.exits(1)
		if got := c.logged(); !strings.Contains(got, "eds: --cursor") || !strings.Contains(got, path) || !strings.Contains(got, want) {
			t.Errorf("stderr: %s", got)
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s was changed", path)
		}
	}
	c := start(t, reading(srv, "--from", "AAAA"))
	c.exits(1)
	if got := c.logged(); !strings.Contains(got, `--from "AAAA"`) {
		t.Errorf("stderr: %s", got)
	}
}

// Two processes share a Shared subscription, and what one of them held when it
// was killed comes to the other.
func TestConsumersShare(t *testing.T) {
	srv := broker(t)
	args := reading(srv, "--subscription", "billing", "--subscription-type", "shared", "--from", "earliest", "--window", "4")
	stuck := start(t, args, unread) // in its first line, so that it acknowledges nothing
	other := start(t, args)
	seen(t, srv, 2, pulsartest.OpConnect)
	var all []string
	for range 20 {
		all = append(all, put(t, srv, shop, large[:128<<10]+`"`)...)
	}
	stuck.untilWriting()
	other.lines(8)
	if n := must[*pulsartest.Topic](t)(srv.Topic(shop)).Backlog("billing"); n < 4 {
		t.Errorf("%d are left, of which one process holds 4", n)
	}
	_ = stuck.cmd.Process.Kill()
	<-stuck.done
	settled(t, srv, "billing", all...)
	other.stops()
	got := ids(other.printed())
	slices.Sort(got)
	if slices.Sort(all); !slices.Equal(got, all) {
		t.Errorf("printed %v of %v", got, all)
	}
}

// SIGTERM: what is at work is finished and acknowledged, the rest stays, and
// the connection is closed.
func TestConsumerEndsInGoodOrder(t *testing.T) {
	srv := broker(t)
	all := put(t, srv, shop, large, "2", "3")
	c := start(t, reading(srv, "--subscription", "billing", "--from", "earliest", "--window", "1"), unread)
	c.untilWriting()
	c.signal(syscall.SIGTERM)
	c.untilLogs("stopping", 1)
	c.resume()
	c.exits(0)
	if err := srv.WaitConnected(watchdog(t), 0); err != nil {
		t.Fatal(err)
	}
	topic := must[*pulsartest.Topic](t)(srv.Topic(shop))
	if got := topic.Unacked("billing"); !slices.Equal(got, all[1:]) {
		t.Errorf("unacknowledged are %v", got)
	}
	if got := ids(c.printed()); !slices.Equal(got, all[:1]) {
		t.Errorf("printed %v", got)
	}
	if got := ends(srv); !slices.Equal(got, []int{1000}) {
		t.Errorf("connections ended with %v", got)
	}
}

// No line, no acknowledgement: what could not be printed stays with the
// service.
func TestConsumerWithFullDevice(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	srv := broker(t)
	all := put(t, srv, shop, "1", "2")
	c := start(t, reading(srv, "--subscription", "billing", "--from", "earliest"), stdout(full))
	c.exits(1)
	if got := must[*pulsartest.Topic](t)(srv.Topic(shop)).Unacked("billing"); !slices.Equal(got, all) {
		t.Errorf("unacknowledged are %v", got)
	}
}

// An exclusive subscription that another one holds is waited for.
func TestConsumerWaitsForHeldSubscription(t *testing.T) {
	srv := broker(t)
	holder := start(t, reading(srv, "--subscription", "billing"))
	seen(t, srv, 1, pulsartest.OpConnect)
	standby := start(t, reading(srv, "--subscription", "billing"))
	standby.untilLogs("held by another client", 1)
	holder.stops()
	seen(t, srv, 2, pulsartest.OpConnect)
	standby.stops()
}

// Whatever the settings of a consumer, its parameters reach the service.
func TestConsumerParameters(t *testing.T) {
	srv := broker(t)
	var query string
	proxy := proxied(t, srv, &query)
	args := []string{"listen", "--url", proxy + "/gateway?stage=eu", "--tenant", "acme", "--namespace", "shop", "--topic", "orders",
		"--api-key", canary, "--subscription", "a b/c", "--subscription-type", "key-shared", "--from", "Earliest", "--window", "7",
		"--nack-delay", "3s", "--ack-timeout", "5s", "--pull", "--client-name", "till", "--max-events", "1"}
	id := put(t, srv, shop, "1")
	c := start(t, args)
	c.exits(0)
	if got := ids(c.printed()); !slices.Equal(got, id) {
		t.Errorf("printed %v", got)
	}
	for _, want := range []string{
		"/gateway/ws/v2/consumer/persistent/acme/shop/orders/a%20b%2Fc?", "stage=eu", "subscriptionType=Key_Shared",
		"subscriptionInitialPosition=Earliest", "receiverQueueSize=7", "negativeAckRedeliveryDelay=3000",
		"ackTimeoutMillis=5000", "pullMode=true", "consumerName=till",
	} {
		if !strings.Contains(query, want) {
			t.Errorf("%s is not in %s", want, query)
		}
	}
	if strings.Contains(query, canary) {
		t.Error("the key is in the URL")
	}
}

// What is no JSON is printed as CloudEvents say, and read back by whoever can
// read those.
func TestTopicHoldsAnything(t *testing.T) {
	srv := broker(t)
	at := pulsartest.Message{Payload: []byte(`{"n":9007199254740993}`), Properties: map[string]string{"ce_type": "PAID", "ce_id": "x-1", "ce_time": "2026-03-20T14:30:00.5Z"}}
	payloads := []string{"plain text", "\x00\xff\xfe", "", "null", "{", `{"a":1} {"b":2}`, "line\nbreak", `"\u00fc"`}
	put(t, srv, shop, payloads...)
	must[string](t)(srv.Publish(shop, at))
	c := start(t, reading(srv, "--from", "earliest", "--max-events", fmt.Sprint(len(payloads)+1)))
	c.exits(0)
	got := c.printed()
	for i, p := range payloads {
		var l struct {
			Type   string
			Data   json.RawMessage
			Base64 []byte `json:"data_base64"`
			Kind   string `json:"datacontenttype"`
		}
		if err := json.Unmarshal([]byte(got[i].raw), &l); err != nil {
			t.Fatal(err)
		}
		switch {
		case l.Type != shop:
			t.Errorf("%q: type %s", p, l.Type)
		case json.Valid([]byte(p)) || p == "":
			want := p
			if p == "" {
				want = "null"
			}
			if string(l.Data) != want || l.Base64 != nil {
				t.Errorf("%q became %s", p, got[i].raw)
			}
		case string(l.Base64) != p || l.Data != nil || l.Kind != "application/octet-stream":
			t.Errorf("%q became %s", p, got[i].raw)
		}
	}
	last := got[len(payloads)]
	if last.ID != "x-1" || last.Type != "PAID" || last.Time != "2026-03-20T14:30:00.5Z" || string(last.Data) != string(at.Payload) {
		t.Errorf("%s", last.raw)
	}
	host := strings.TrimPrefix(srv.URL(), "ws://")
	if want := "pulsar://" + host + "/" + shop; got[0].Source != want {
		t.Errorf("source is %s, not %s", got[0].Source, want)
	}
}

// What is no message is passed over or dead-lettered; the others go on.
func TestTopicWithBadMessages(t *testing.T) {
	srv := broker(t)
	bad := []string{
		`{"messageId":"{messageId}","payload":null,"properties":{}}`,
		`{"messageId":"{messageId}","payload":"!","properties":{}}`,
		`{"messageId":"{messageId}"}`,
	}
	topic := must[*pulsartest.Topic](t)(srv.Topic(shop))
	topic.Subscribe("billing", true)
	var all []string
	for _, b := range bad {
		all = append(all, must[string](t)(srv.PublishRaw(shop, []byte(b))))
	}
	file := filepath.Join(t.TempDir(), "dead.jsonl")
	c := start(t, reading(srv, "--subscription", "billing", "--window", "2", "--dead-letter", file))
	seen(t, srv, 1, pulsartest.OpConnect)
	for _, garbage := range []string{`garbage`, `{"endOfTopic":true}`, `{"endOfTopic":"false"}`, `{"type":"isEndOfTopic"}`, `[]`} {
		topic.Send([]byte(garbage))
	}
	good := put(t, srv, shop, "1")
	settled(t, srv, "billing", append(all, good...)...)
	if got := ids(c.lines(1)); !slices.Equal(got, good) {
		t.Errorf("printed %v", got)
	}
	c.stops()
	code, out, errs := invoke(t, "deadletters", "list", file)
	if code != 0 || strings.Count(out, "\n") != 1+len(bad) || !strings.Contains(out, "malformed") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if strings.Contains(c.logged(), "garbage") {
		t.Error("content was logged")
	}
}

// Without a key the service is asked as nobody; a wrong one ends the command.
func TestTopicCredentials(t *testing.T) {
	open := pulsartest.NewTestServer(t)
	if err := open.Start(); err != nil {
		t.Fatal(err)
	}
	id := put(t, open, shop, "1")
	c := start(t, []string{"listen", "--url", open.URL(), "--topic", "persistent://" + shop, "--from", "earliest", "--max-events", "1"})
	c.exits(0)
	if got := ids(c.printed()); !slices.Equal(got, id) {
		t.Errorf("printed %v", got)
	}
	srv := broker(t)
	for _, key := range [][]string{nil, {"EDS_API_KEY=wrong"}} {
		for _, more := range [][]string{nil, {"--subscription", "s"}} {
			c := start(t, append([]string{"listen", "--url", srv.URL(), "--topic", shop}, more...), env(key...))
			c.exits(3)
			if got := c.logged(); !strings.Contains(got, "refused the credentials") || strings.Contains(got, "wrong") {
				t.Errorf("stderr: %s", got)
			}
		}
	}
	var dials int
	for _, r := range srv.History() {
		if r.Op == pulsartest.OpRefuse {
			dials++
		}
	}
	if dials != 4 {
		t.Errorf("%d dials", dials)
	}
}

// A service that is not there is tried again, until a signal comes.
func TestTopicUnreachable(t *testing.T) {
	listener := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	address := listener.Addr().String()
	listener.Close()
	c := start(t, []string{"listen", "--url", "ws://" + address, "--topic", shop, "--reconnect-min", "5ms", "--reconnect-max", "10ms"})
	c.untilLogs("not connected", 3)
	c.stops()
}

// What is refused of a position names the flag that it came by.
func TestRefusedPosition(t *testing.T) {
	wrong := &eds.ConfigError{Setting: "position", Value: "AAAA", Reason: "refused"}
	other := errors.New("other")
	f := sourceFlags{pulsarFlags: pulsarFlags{From: "AAAA"}}
	if err := f.refused(wrong); !errors.Is(err, wrong) || !strings.HasPrefix(err.Error(), `--from "AAAA": `) {
		t.Error(err)
	}
	f.Cursor = "place"
	if err := f.refused(wrong); !errors.Is(err, wrong) || !strings.HasPrefix(err.Error(), `--cursor "place": `) {
		t.Error(err)
	}
	if err := f.refused(other); err != other {
		t.Error(err)
	}
	if f.refused(nil) != nil {
		t.Error("nothing is an error")
	}
}

func TestSubscriptionTypes(t *testing.T) {
	for s, want := range map[string]pulsarws.SubscriptionType{
		"Exclusive": pulsarws.Exclusive, "shared": pulsarws.Shared, "FAILOVER": pulsarws.Failover,
		"Key_Shared": pulsarws.KeyShared, "key-shared": pulsarws.KeyShared, "keyshared": pulsarws.KeyShared,
	} {
		if got, ok := subscriptionType(s); !ok || got != want {
			t.Errorf("%s: %s, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "both", "Key Shared"} {
		if got, ok := subscriptionType(s); ok {
			t.Errorf("%q is %s", s, got)
		}
	}
}
