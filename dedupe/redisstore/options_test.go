package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe/redisstore"
	"github.com/eventdelivery/eds-go/eds"
)

func TestWrongSettingsAreNamed(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer client.Close()
	for want, opt := range map[string]redisstore.Option{
		"redisstore.Retention": redisstore.Retention(time.Microsecond),
		"redisstore.Budget":    redisstore.Budget(-1),
		"redisstore.Logger":    redisstore.Logger(nil),
		"lru.Size":             redisstore.LocalSize(0),
	} {
		_, err := redisstore.New(client, opt)
		if config, ok := errors.AsType[*eds.ConfigError](err); !ok || config.Setting != want {
			t.Errorf("%v, want an *eds.ConfigError for %s", err, want)
		}
	}
	if _, err := redisstore.New(nil); err == nil {
		t.Error("a nil client is accepted")
	}
}
