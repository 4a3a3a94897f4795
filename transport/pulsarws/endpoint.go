package pulsarws

import (
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/eventdelivery/eds-go/internal/wslink"
)

// endpoint is what to dial, but for the key and the position.
type endpoint struct {
	credential credential
	header     http.Header
	base       url.URL // without a query
	query      url.Values
}

// endpoint returns the one of these at path below the service's URL, whose own
// path and parameters are kept.
func (s *settings) endpoint(u *url.URL, path string) *endpoint {
	e := &endpoint{credential: s.credential, base: *u, query: u.Query(), header: http.Header{}}
	for name, value := range s.params {
		e.query.Set(name, value)
	}
	if s.authMethod != "" {
		e.header.Set("X-Pulsar-Auth-Method-Name", s.authMethod)
	}
	e.base.RawQuery, e.base.Fragment, e.base.RawFragment = "", "", ""
	raw := strings.TrimSuffix(u.EscapedPath(), "/") + path
	// Both forms are set, so that the escapes stay as they are.
	e.base.RawPath = raw
	e.base.Path, _ = url.PathUnescape(raw)
	return e
}

// request returns what to dial with a key, and with these parameters besides.
func (e *endpoint) request(key string, more params) (string, http.Header) {
	query := maps.Clone(e.query)
	for name, value := range more {
		query.Set(name, value)
	}
	header := e.header.Clone()
	switch {
	case key == "":
	case e.credential.query != "":
		query.Set(e.credential.query, key)
	default:
		header.Set(e.credential.header, e.credential.prefix+key)
	}
	u := e.base
	u.RawQuery = query.Encode()
	return u.String(), header
}

// shown is what of the address may be seen.
func (e *endpoint) shown() string { return wslink.Shown(&e.base) }
