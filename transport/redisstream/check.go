package redisstream

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/rediscall"
)

// Warning is a setting of a Redis server by which events can be lost that
// were acknowledged to their service.
type Warning struct {
	// Server is its HOST:PORT; of several with the same setting, one.
	Server string
	// Setting is its name in redis.conf, or "version" or "role".
	Setting string
	Value   string
	// Risk says what can happen, and what to set instead.
	Risk string
}

// String is the warning in one line.
func (w Warning) String() string {
	return fmt.Sprintf("redis %s: %s %s: %s", w.Server, w.Setting, w.Value, w.Risk)
}

// Check asks the server, on a Cluster every master, for settings by which
// what a Publisher hands off can be lost. It is meant for the start of a
// receiver, which logs what comes; nothing in it keeps events from flowing.
//
// It needs the command INFO. Where CONFIG GET is not allowed, as with most
// providers, it does not learn of appendfsync, and warns of nothing there. An
// error says that Redis could not be asked, which may pass.
func Check(ctx context.Context, client redis.UniversalClient) ([]Warning, error) {
	var mu sync.Mutex
	var all []Warning
	ask := func(ctx context.Context, server *redis.Client) error {
		found, err := checkServer(ctx, server, server.Options().Addr)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, found...)
		return err
	}
	var err error
	switch c := client.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, ask)
	case *redis.Client:
		err = ask(ctx, c)
	default:
		all, err = checkServer(ctx, client, "")
	}
	if err != nil {
		return nil, fmt.Errorf("redisstream: Redis could not be asked for its settings: %w", rediscall.Discreet(err))
	}
	slices.SortStableFunc(all, func(a, b Warning) int {
		return cmp.Or(strings.Compare(a.Setting, b.Setting), strings.Compare(a.Value, b.Value), strings.Compare(a.Server, b.Server))
	})
	return slices.CompactFunc(all, func(a, b Warning) bool { return a.Setting == b.Setting && a.Value == b.Value }), nil
}

func checkServer(ctx context.Context, client redis.Cmdable, addr string) ([]Warning, error) {
	text, err := client.Info(ctx).Result()
	if err != nil {
		return nil, err
	}
	info := fieldsOf(text)
	fsync := ""
	if config, err := client.ConfigGet(ctx, "appendfsync").Result(); err == nil {
		fsync = config["appendfsync"]
	}
	if addr == "FailoverClient" && info["tcp_port"] != "" {
		addr = "port " + info["tcp_port"] // the client of a Sentinel does not tell
	}
	return judgeServer(addr, info, fsync), nil
}

// judgeServer finds what is wrong with a server, by its INFO. What it does
// not tell is taken to be right.
func judgeServer(addr string, info map[string]string, fsync string) (found []Warning) {
	warn := func(wrong bool, setting, value, risk string) {
		if wrong {
			found = append(found, Warning{Server: addr, Setting: setting, Value: value, Risk: risk})
		}
	}
	version := info["redis_version"] // of Valkey too, the version that it is compatible with
	major, err := strconv.Atoi(strings.SplitN(version, ".", 2)[0])
	warn(err == nil && major < 7, "version", version, "workers need Redis 7.0 or later")
	warn(info["role"] == "slave", "role", "replica", "it takes no events; connect to the primary")
	if info["aof_enabled"] == "0" {
		warn(true, "appendonly", "no", "a crash loses all since the last snapshot, and without snapshots everything; set it to yes")
	} else {
		warn(fsync == "everysec" || fsync == "no", "appendfsync", fsync,
			"a crash of the machine loses what was not written to disk yet, with everysec about the last second; set it to always, or use replicas and Replicas")
	}
	policy := info["maxmemory_policy"]
	warn(strings.HasPrefix(policy, "allkeys-"), "maxmemory-policy", policy, "at maxmemory whole streams are deleted; set it to noeviction")
	warn(strings.HasPrefix(policy, "volatile-"), "maxmemory-policy", policy, "at maxmemory leases and dedupe records are deleted; set it to noeviction")
	replicas, _ := strconv.Atoi(info["connected_slaves"])
	_, min := info["min_slaves_good_slaves"] // told only where it is set
	warn(replicas > 0 && !min, "min-replicas-to-write", "0",
		"a primary that is cut off from its replicas goes on taking events, which the fail-over drops; set it to 1, or use Replicas")
	return found
}

// fieldsOf parses INFO.
func fieldsOf(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}
