package webhook

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// Option is a setting of New.
type Option interface{ apply(*Sink) error }

type option func(*Sink) error

func (o option) apply(s *Sink) error { return o(s) }

// Secret signs every request by Standard Webhooks: the headers webhook-id,
// webhook-timestamp and webhook-signature. A secret is Base64 of 24 to 64
// random bytes after "whsec_" (Standard Webhooks, "Signature scheme"). With
// several secrets there is a signature for each, so that the endpoint can
// change from one to the other. Without this option nothing is signed.
func Secret(secrets ...string) Option {
	return option(func(s *Sink) error {
		if len(secrets) == 0 {
			return &eds.ConfigError{Setting: "webhook.Secret", Reason: "must have a secret"}
		}
		for i, secret := range secrets {
			if err := checkSecret(secret); err != nil {
				// The value is not shown: it may be the secret, misspelt.
				return &eds.ConfigError{Setting: fmt.Sprintf("webhook.Secret %d of %d", i+1, len(secrets)), Reason: err.Error()}
			}
		}
		s.secrets = func(context.Context) ([]string, error) { return secrets, nil }
		return nil
	})
}

// SecretFunc is Secret for secrets that change while the program runs: f is
// asked before each request, concurrently, and should answer from memory. When
// it fails, or its secrets are no secrets, nothing is sent and the event is
// worth another try.
func SecretFunc(f func(ctx context.Context) ([]string, error)) Option {
	return option(func(s *Sink) error {
		if f == nil {
			return &eds.ConfigError{Setting: "webhook.SecretFunc", Value: "nil", Reason: "must be a function"}
		}
		s.secrets = f
		return nil
	})
}

func checkSecret(secret string) error {
	text, ok := strings.CutPrefix(secret, "whsec_")
	if !ok {
		return errors.New("a secret begins with whsec_")
	}
	if key, err := base64.StdEncoding.DecodeString(text); err != nil || len(key) < 24 || len(key) > 64 {
		return errors.New("a secret is Base64 of 24 to 64 bytes after whsec_")
	}
	return nil
}

// Structured sends the whole event as one JSON object (CloudEvents HTTP
// binding, structured mode). The default is the binary mode: the payload is
// the body, the rest are headers.
func Structured() Option {
	return option(func(s *Sink) error { s.structured = true; return nil })
}

// Header adds a header to every request, such as Authorization. It replaces
// an earlier one of the same name. Names that begin with ce- or webhook-, and
// those that net/http sets, are refused. The value is never shown.
func Header(name, value string) Option {
	return option(func(s *Sink) error {
		canonical := http.CanonicalHeaderKey(name)
		wrong := func(reason string) error {
			return &eds.ConfigError{Setting: "webhook.Header", Value: name, Reason: reason}
		}
		switch {
		case name == "" || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "":
			return wrong("is not the name of a header")
		case strings.HasPrefix(canonical, "Ce-"), strings.HasPrefix(canonical, "Webhook-"), canonical == "Content-Type",
			canonical == "Content-Length", canonical == "Transfer-Encoding", canonical == "Host", canonical == "Connection":
			return wrong("is set by this package")
		}
		for i := range len(value) {
			if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
				return wrong("has a value with control characters")
			}
		}
		s.headers.Set(canonical, value)
		return nil
	})
}

// Timeout bounds one request, from dialing to the end of the answer. The
// default is 15 s, the lower end of what Standard Webhooks recommends, so that
// there is room for another try within EDS's 30 s. A handler's deadline that
// comes earlier ends it too.
func Timeout(d time.Duration) Option {
	return option(func(s *Sink) error {
		if d <= 0 {
			return &eds.ConfigError{Setting: "webhook.Timeout", Value: d.String(), Reason: "must be positive"}
		}
		s.timeout = d
		return nil
	})
}

// Client sends with a copy of c, for a proxy, a client certificate or a
// transport that traces. Redirects are not followed with it either, and Close
// leaves its connections alone.
func Client(c *http.Client) Option {
	return option(func(s *Sink) error {
		if c == nil {
			return &eds.ConfigError{Setting: "webhook.Client", Value: "nil", Reason: "must be a client"}
		}
		s.client = *c
		s.owned = nil
		return nil
	})
}
