package redisstream_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// settings are those that were warned of.
func settings(found []redisstream.Warning) (names []string) {
	for _, w := range found {
		names = append(names, w.Setting+" "+w.Value)
	}
	return names
}

func TestCheck(t *testing.T) {
	t.Parallel() // it waits most of the time
	const always = "--appendonly yes --appendfsync always"
	for args, want := range map[string][]string{
		always:                              nil,
		"--appendonly yes":                  {"appendfsync everysec"},
		"--appendonly yes --appendfsync no": {"appendfsync no"},
		"":                                  {"appendonly no"},
		always + " --maxmemory-policy allkeys-lru":  {"maxmemory-policy allkeys-lru"},
		always + " --maxmemory-policy volatile-ttl": {"maxmemory-policy volatile-ttl"},
		always + " --maxmemory-policy noeviction":   nil,
		"--maxmemory-policy allkeys-random":         {"appendonly no", "maxmemory-policy allkeys-random"},
	} {
		t.Run(args, func(t *testing.T) {
			server := redistest.Start(t, strings.Fields(args)...)
			found, err := redisstream.Check(t.Context(), server.Client())
			if err != nil || !slices.Equal(settings(found), want) {
				t.Errorf("%q, %v; want %q", settings(found), err, want)
			}
			for _, w := range found {
				if w.Server != server.Addr || !strings.Contains(w.String(), w.Setting+" "+w.Value+": ") || !strings.Contains(w.String(), server.Addr) {
					t.Errorf("%s", w)
				}
			}
		})
	}
}

// Without CONFIG it finds out what INFO tells, and without that it says so.
func TestCheckNeedsNoConfig(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, admin := start(t, "--maxmemory-policy", "allkeys-lru")
	as := func(name string, rules ...any) *redis.Client {
		args := append([]any{"ACL", "SETUSER", name, "on", ">secret", "~*"}, rules...)
		if err := admin.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
		return server.Client(func(o *redis.Options) { o.Username, o.Password = name, "secret" })
	}
	found, err := redisstream.Check(t.Context(), as("plain", "+info"))
	if want := []string{"appendonly no", "maxmemory-policy allkeys-lru"}; err != nil || !slices.Equal(settings(found), want) {
		t.Errorf("%q, %v; want %q", settings(found), err, want)
	}
	if found, err := redisstream.Check(t.Context(), as("nobody", "+ping")); found != nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("%q, %v; want the refusal", settings(found), err)
	}
	server.Kill()
	if found, err := redisstream.Check(t.Context(), server.Client(impatient)); found != nil || err == nil {
		t.Errorf("%q, %v of a server that is not there", settings(found), err)
	}
}

func TestCheckReplication(t *testing.T) {
	t.Parallel() // it waits most of the time
	always := []string{"--appendonly", "yes", "--appendfsync", "always"}
	primary, admin := start(t, always...)
	check := func(client redis.UniversalClient, want ...string) []redisstream.Warning {
		t.Helper()
		found, err := redisstream.Check(t.Context(), client)
		if err != nil || !slices.Equal(settings(found), want) {
			t.Errorf("%q, %v; want %q", settings(found), err, want)
		}
		return found
	}
	check(admin)
	replica := replicaOf(t, primary.Addr, admin)
	check(admin, "min-replicas-to-write 0")
	if err := admin.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err(); err != nil {
		t.Fatal(err)
	}
	check(admin)
	check(replica.Client(), "appendonly no", "role replica")

	sentinel := redistest.StartSentinel(t, primary)
	found := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: sentinel.Name, SentinelAddrs: []string{sentinel.Addr}})
	defer found.Close()
	if err := admin.ConfigSet(t.Context(), "appendfsync", "everysec").Err(); err != nil {
		t.Fatal(err)
	}
	_, port := split(primary.Addr)
	for _, w := range check(found, "appendfsync everysec") {
		if !strings.Contains(w.Server, port) {
			t.Errorf("%s, which does not tell the server", w)
		}
	}
}

// On a Cluster all masters are asked, and of equals one is named.
func TestCheckCluster(t *testing.T) {
	t.Parallel() // it waits most of the time
	cluster := redistest.StartCluster(t, 3, false)
	if err := cluster.Masters[1].Client().ConfigSet(t.Context(), "maxmemory-policy", "volatile-lru").Err(); err != nil {
		t.Fatal(err)
	}
	found, err := redisstream.Check(t.Context(), cluster.Client())
	if want := []string{"appendonly no", "maxmemory-policy volatile-lru"}; err != nil || !slices.Equal(settings(found), want) {
		t.Fatalf("%q, %v; want %q", settings(found), err, want)
	}
	if found[1].Server != cluster.Masters[1].Addr {
		t.Errorf("%s, want %s", found[1], cluster.Masters[1].Addr)
	}
}

// Of what servers tell that are not at hand.
func TestJudgeServer(t *testing.T) {
	for info, want := range map[string][]string{
		"redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\naof_enabled:1\r\n": nil,
		"redis_version:6.2.14\r\naof_enabled:1\r\n":                                              {"version 6.2.14"},
		"redis_version:10.0.0\r\naof_enabled:1\r\n":                                              nil,
		"": nil,
		"redis_version:\r\nmaxmemory_policy:\r\nconnected_slaves:x\r\n": nil,
	} {
		if got := settings(redisstream.JudgeInfo(info, "always")); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", info, got, want)
		}
	}
}

func FuzzInfo(f *testing.F) {
	f.Add("# Server\r\nredis_version:7.0.15\r\nrole:master\r\n", "always")
	f.Add("redis_version:6\nconnected_slaves:-1\nmaxmemory_policy:allkeys-", "")
	f.Fuzz(func(t *testing.T, info, fsync string) {
		for _, w := range redisstream.JudgeInfo(info, fsync) {
			if w.Setting == "" || w.Risk == "" {
				t.Errorf("%+v", w)
			}
		}
	})
}
