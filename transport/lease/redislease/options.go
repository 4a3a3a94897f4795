package redislease

import (
	"strings"
	"time"
	"unicode"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/lease"
)

// DefaultPrefix begins the names of all keys unless Prefix says otherwise.
const DefaultPrefix = "eds:lease:"

// DefaultBudget is how long Redis is waited for unless Budget says otherwise.
const DefaultBudget = lease.Renewal

// maxSelf bounds what others read in their logs.
const maxSelf = 100

type settings struct {
	prefix string
	budget time.Duration
	self   string
}

// Option configures a Lease.
type Option func(*settings)

// Prefix sets with what the names of all keys begin. The default is
// DefaultPrefix; it may be empty.
func Prefix(p string) Option { return func(s *settings) { s.prefix = p } }

// Budget sets how long a call waits for Redis before it fails, whatever the
// client's own time-outs and retries. The default is DefaultBudget; it must be
// positive.
func Budget(d time.Duration) Option { return func(s *settings) { s.budget = d } }

// Self sets what this holder is called in the health and the logs of those that
// wait: HOST/PID unless set, 100 bytes at most.
func Self(name string) Option { return func(s *settings) { s.self = name } }

func (s *settings) validate() error {
	switch {
	case s.budget <= 0:
		return &eds.ConfigError{Setting: "redislease.Budget", Value: s.budget.String(), Reason: "must be positive"}
	case len(s.self) > maxSelf:
		return &eds.ConfigError{Setting: "redislease.Self", Value: s.self[:maxSelf], Reason: "must not be longer than 100 bytes"}
	case strings.ContainsFunc(s.self, unicode.IsControl):
		return &eds.ConfigError{Setting: "redislease.Self", Reason: "must not hold a control character"}
	}
	return nil
}
