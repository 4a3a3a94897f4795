package pulsarws

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/eventdelivery/eds-go/internal/wslink"
)

// topic is the full name of a topic.
type topic struct {
	persistent              bool
	tenant, namespace, name string
}

// parseTopic reads tenant/namespace/name, with or without the domain
// persistent:// or non-persistent:// before it. The name may hold slashes.
func parseTopic(s string) (topic, error) {
	t := topic{persistent: true}
	rest := s
	if domain, after, ok := strings.Cut(s, "://"); ok {
		switch domain {
		case "persistent":
		case "non-persistent":
			t.persistent = false
		default:
			return t, wslink.Wrong("topic", s, "must begin with persistent:// or non-persistent://, or with a tenant")
		}
		rest = after
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) < 3 {
		return t, wslink.Wrong("topic", s, "must be TENANT/NAMESPACE/TOPIC")
	}
	t.tenant, t.namespace, t.name = parts[0], parts[1], parts[2]
	switch {
	case !isName(t.tenant):
		return t, wslink.Wrong("topic", s, "its tenant may hold letters, digits and any of _-=:. and must not be empty")
	case !isName(t.namespace):
		return t, wslink.Wrong("topic", s, "its namespace may hold letters, digits and any of _-=:. and must not be empty")
	}
	if reason := unfit(t.name); reason != "" {
		return t, wslink.Wrong("topic", s, "its last part "+reason)
	}
	return t, nil
}

// unfit says why s cannot be a segment of a path; "" when it can.
func unfit(s string) string {
	switch {
	case strings.TrimSpace(s) == "":
		return "must not be empty"
	case s == "." || s == "..":
		return "must not be . or .., which are places in a URL"
	case !utf8.ValidString(s):
		return "must be UTF-8"
	}
	return ""
}

// isName tells whether s is what Pulsar takes for the name of a tenant or a
// namespace (org.apache.pulsar.common.naming.NamedEntity). The service does
// not decode them.
func isName(s string) bool {
	if s == "" || s == "." || s == ".." {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-=:.", r))
	}) < 0
}

func (t topic) domain() string {
	if t.persistent {
		return "persistent"
	}
	return "non-persistent"
}

// String returns the short form, tenant/namespace/name.
func (t topic) String() string { return t.tenant + "/" + t.namespace + "/" + t.name }

func (t topic) full() string { return t.domain() + "://" + t.String() }

// isPartition tells whether the topic is a partition of another one.
func (t topic) isPartition() bool {
	const infix = "-partition-"
	i := strings.LastIndex(t.name, infix)
	if i < 0 {
		return false
	}
	_, err := strconv.ParseUint(t.name[i+len(infix):], 10, 31)
	return err == nil
}

// path returns the topic as a part of a URL's path.
func (t topic) path() string {
	return t.domain() + "/" + t.tenant + "/" + t.namespace + "/" + segment(t.name)
}

// segment encodes a part of a path so that it means the same to all servers:
// Pulsar decodes it as a form, where a plus is a space, and a slash must not
// be taken for the end of it.
func segment(s string) string {
	// QueryEscape leaves nothing but letters, digits and -_.~ as they are,
	// and makes a plus of a space.
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}
