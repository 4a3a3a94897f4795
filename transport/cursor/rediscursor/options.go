package rediscursor

import (
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// DefaultPrefix begins the names of all keys unless Prefix says otherwise.
const DefaultPrefix = "eds:cursor:"

// DefaultBudget is how long Redis is waited for unless Budget says otherwise.
const DefaultBudget = 2 * time.Second

type settings struct {
	prefix string
	budget time.Duration
}

// Option configures a Store.
type Option func(*settings)

// Prefix sets with what the names of all keys begin. The default is
// DefaultPrefix; it may be empty.
func Prefix(p string) Option { return func(s *settings) { s.prefix = p } }

// Budget sets how long a Load or Save waits for Redis before it fails, whatever
// the client's own time-outs and retries. The default is DefaultBudget; it must
// be positive.
func Budget(d time.Duration) Option { return func(s *settings) { s.budget = d } }

func (s *settings) validate() error {
	if s.budget <= 0 {
		return &eds.ConfigError{Setting: "rediscursor.Budget", Value: s.budget.String(), Reason: "must be positive"}
	}
	return nil
}
