package pulsartest

import (
	"net/http"
	"net/url"
	"strings"
)

// authenticate checks the credentials. Inside of a broker that comes before
// everything else (Pulsar 4.0.8).
func (s *Server) authenticate(r *http.Request, q url.Values) *refusal {
	if !s.known(r, q) {
		return &refusal{http.StatusUnauthorized, "Authentication required"}
	}
	return nil
}

// authorize checks whether the topics are allowed.
func (s *Server) authorize(topics ...string) *refusal {
	for _, topic := range topics {
		if s.conf.forbidden[topic] {
			return &refusal{http.StatusForbidden, "Not authorized"}
		}
	}
	return nil
}

func (s *Server) known(r *http.Request, q url.Values) bool {
	if len(s.conf.tokens) == 0 && len(s.conf.apiKeys) == 0 {
		return true
	}
	if len(s.conf.tokens) > 0 {
		given := r.Header.Get("Authorization")
		if len(r.Header.Values("Authorization")) == 0 {
			if given, _ = first(q, "token"); given != "" && !strings.HasPrefix(given, "Bearer ") {
				given = "Bearer " + given
			}
		}
		if token, ok := strings.CutPrefix(given, "Bearer "); ok && s.conf.tokens[token] {
			return true
		}
	}
	if len(s.conf.apiKeys) > 0 {
		key := r.Header.Get("X-API-Key")
		if len(r.Header.Values("X-API-Key")) == 0 {
			key, _ = first(q, "x-api-key")
		}
		return s.conf.apiKeys[key]
	}
	return false
}
