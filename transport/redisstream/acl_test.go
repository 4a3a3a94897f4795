package redisstream_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

var aclOf = regexp.MustCompile(`(?m)^ACL SETUSER (\w+) on >SECRET (.*)$`)

// The users of docs/redis.md may do all that is needed, and nothing else: no
// command is refused, and each of theirs is sent.
func TestDocumentedUsers(t *testing.T) {
	t.Parallel() // it waits most of the time
	page, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	primary, admin := start(t)
	replicaOf(t, primary.Addr, admin)
	rules := map[string][]string{}
	for _, m := range aclOf.FindAllStringSubmatch(string(page), -1) {
		rules[m[1]] = strings.Fields(m[2])
		args := []any{"ACL", "SETUSER", m[1], "on", ">SECRET"}
		for _, rule := range rules[m[1]] {
			args = append(args, rule)
		}
		if err := admin.Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%s: %v", m[0], err)
		}
	}
	as := func(user string) *redis.Client {
		return primary.Client(func(o *redis.Options) { o.Username, o.Password = user, "SECRET" })
	}
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n, " streams"), func(t *testing.T) {
			spread := redisstream.Partitions(n)
			receiver := as("receiver")
			if _, err := redisstream.Check(t.Context(), receiver); err != nil {
				t.Error(err)
			}
			pub := publisher(t, receiver, spread, redisstream.Replicas(1), redisstream.TrimAbove(0), redisstream.TrimEvery(10*time.Millisecond))
			publish(t, pub, "1", "2", "3")
			w := worker(t, as("worker"), spread)
			if err := w.Nack(t.Context(), receiveAny(t, w)); err != nil {
				t.Fatal(err)
			}
			busy := receiveAny(t, w)
			for range 2 {
				ack(t, w, receiveAny(t, w))
			}
			if n == 1 { // in one of three, there may be nothing else
				publish(t, pub, "4")
				ack(t, w, expect(t, w, "4"))
				setMemory(t, admin, "1")
				full := publisher(t, receiver, spread, redisstream.SendTimeout(50*time.Millisecond), redisstream.TrimEvery(10*time.Millisecond))
				await(t, "a full Redis to delete around the busy one", func() bool {
					_ = full.Handle(t.Context(), event("5"))
					return calls(t, admin, "xdel") > 0
				})
				setMemory(t, admin, "0")
			}
			ack(t, w, busy)
			// Until it has looked for what the dead left, and their names, and the publisher for what can go.
			await(t, "a sweep, a look for what the dead left, and a trim", func() bool {
				return calls(t, admin, "xinfo|consumers") >= n && calls(t, admin, "xautoclaim") >= n && calls(t, admin, "xtrim") > 0
			})
			closeNow(t, w)
			denied, err := admin.ACLLog(t.Context(), 100).Result()
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range denied {
				if d.Object != "config|get" { // which Check can do without
					t.Errorf("%s was denied %s", d.Username, d.Object)
				}
			}
		})
	}
	for user, list := range rules {
		for _, rule := range list {
			if command, ok := strings.CutPrefix(rule, "+"); ok && calls(t, admin, command) == 0 {
				t.Errorf("%s may do %s, which nobody has sent", user, command)
			}
		}
	}
	if len(rules) != 2 {
		t.Errorf("docs/redis.md has the users %v, want receiver and worker", rules)
	}
}

var clusterOf = regexp.MustCompile("(?m)^- A client of a Cluster .*: `(.*)`")

// On a Cluster they need a few more.
func TestDocumentedUsersOfACluster(t *testing.T) {
	t.Parallel() // it waits most of the time
	page, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	more := clusterOf.FindStringSubmatch(string(page))
	if more == nil {
		t.Fatal("docs/redis.md does not tell what a client of a Cluster needs")
	}
	cluster := redistest.StartCluster(t, 3, false)
	for _, m := range aclOf.FindAllStringSubmatch(string(page), -1) {
		args := []any{"ACL", "SETUSER", m[1], "on", ">SECRET"}
		for rule := range strings.FieldsSeq(m[2] + " " + more[1]) {
			args = append(args, rule)
		}
		for _, node := range cluster.Masters {
			if err := node.Client().Do(t.Context(), args...).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	as := func(user string) *redis.ClusterClient {
		return cluster.Client(func(o *redis.ClusterOptions) { o.Username, o.Password = user, "SECRET" })
	}
	spread := redisstream.Partitions(partitions)
	if _, err := redisstream.Check(t.Context(), as("receiver")); err != nil {
		t.Error(err)
	}
	publish(t, publisher(t, as("receiver"), spread), "1", "2", "3")
	w := worker(t, as("worker"), spread)
	for range 3 {
		ack(t, w, receiveAny(t, w))
	}
	settledAll(t, cluster.Client())
	closeNow(t, w)
	for _, node := range cluster.Masters {
		denied, err := node.Client().ACLLog(t.Context(), 100).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range denied {
			if d.Object != "config|get" { // which Check can do without
				t.Errorf("%s was denied %s", d.Username, d.Object)
			}
		}
	}
}

// A user who may run scripts, and not what is in them, is refused for good.
func TestScriptNotAllowed(t *testing.T) {
	server, admin := start(t)
	if err := admin.Do(t.Context(), "ACL", "SETUSER", "half", "on", ">SECRET", "~*", "+eval", "+evalsha").Err(); err != nil {
		t.Fatal(err)
	}
	w := worker(t, server.Client(func(o *redis.Options) { o.Username, o.Password = "half", "SECRET" }))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := w.Receive(ctx)
	if e, ok := errors.AsType[*eds.AuthError](err); !ok || e.Code != 403 {
		t.Errorf("Receive: %v, want an *AuthError of 403", err)
	}
}
