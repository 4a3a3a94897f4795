package lru_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/dedupe/lru"
)

// BenchmarkClaimCommit is the store's part in handling a new event, with a
// full store, so that each commit evicts one.
func BenchmarkClaimCommit(b *testing.B) {
	s, err := lru.New(lru.Size(1 << 14))
	if err != nil {
		b.Fatal(err)
	}
	keys := make([]string, 1<<16)
	for i := range keys {
		keys[i] = dedupe.Key("", "eds://eds.example/my-queue", "my-queue", strconv.Itoa(i))
	}
	ctx, token := context.Background(), dedupe.NewToken()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		h := dedupe.Hold{Key: keys[i&(len(keys)-1)], Token: token}
		i++
		c, err := s.Claim(ctx, h)
		if err != nil || c.State != dedupe.Acquired {
			b.Fatal(c, err)
		}
		if owned, err := s.Commit(ctx, h, dedupe.Succeeded); !owned || err != nil {
			b.Fatal(owned, err)
		}
	}
}
