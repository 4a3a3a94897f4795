package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// A stream's URL is its Redis with the options of go-redis, and its name.
func TestStreamURL(t *testing.T) {
	at, stream, err := streamURL("rediss://u:p%2Fw@h:7000/orders%2Fnew?db=3&pool_size=5&read_timeout=7s").parse()
	if err != nil || stream != "orders/new" {
		t.Fatal(stream, err)
	}
	if o := at.single; o.Addr != "h:7000" || o.Username != "u" || o.Password != "p/w" || o.DB != 3 || o.PoolSize != 5 || o.TLSConfig == nil {
		t.Errorf("%+v", o)
	}
	if at, _, err = streamURL("redis://h/s?master_name=m&addr=h2:26379").parse(); err != nil || at.failover.MasterName != "m" || len(at.failover.SentinelAddrs) != 2 {
		t.Errorf("Sentinels: %+v %v", at, err)
	}
	if at, _, err = streamURL("redis://h/s?addr=h2:6379").parse(); err != nil || len(at.cluster.Addrs) != 2 {
		t.Errorf("a Cluster: %+v %v", at, err)
	}
	client, _ := streamURL("redis://h/s").open(slog.New(slog.DiscardHandler), 100)
	defer client.Close()
	if n := client.(*redis.Client).Options().PoolSize; n < 110 {
		t.Errorf("%d connections do not let 100 wait", n)
	}
}

func TestSameStream(t *testing.T) {
	for _, tc := range []struct {
		a, b streamURL
		same bool
	}{
		{"redis://h/s", "redis://u:p@h/s?db=0", true}, {"redis://h/s?db=1", "redis://h/s?db=1&pool_size=3", true},
		{"redis://h/s", "redis://h/t", false}, {"redis://h/s", "redis://g/s", false}, {"redis://h/s", "redis://h/s?db=1", false},
		{"redis://h/s", "redis://h:6379/s", true}, {"redis://h/a@s", "redis://g/b@s", false},
	} {
		if tc.a.same(tc.b) != tc.same {
			t.Errorf("%s and %s: not %v", tc.a, tc.b, tc.same)
		}
	}
}

// Nothing that is no stream's URL is taken for one, and no part of what could
// be a password is shown.
func FuzzStreamURL(f *testing.F) {
	for _, seed := range []string{"redis://h/s", "redis://u:p@h:1/s?db=1", "rediss://h/a%2Fb", "redis://:p/w@h/s", "redis://h/s?addr=b", "unix://x", "redis://[::1]/s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		s := streamURL(url)
		_, name, err := s.parse()
		if (err == nil) == (name == "") && err == nil {
			t.Errorf("%q: no name and no error", url)
		}
		const hidden = "xyzzy7f3a"
		for _, with := range []string{"redis://u:" + hidden + "@h/s" + strings.ReplaceAll(url, "@", ""), "redis://h/s?" + hidden + strings.ReplaceAll(url, "@", "")} {
			if err := streamURL(with).check("--to"); err != nil && strings.Contains(err.Error(), hidden) {
				t.Errorf("%q: %v", with, err)
			}
		}
	})
}
