package main

import (
	"fmt"
	"strings"
)

// topicName is the name of a topic in its parts. What they may hold is judged
// where they are used.
type topicName struct {
	domain                   string // "persistent" or another one
	tenant, namespace, topic string
}

// parseTopic reads TENANT/NAMESPACE/TOPIC, with or without a domain and ://
// before it.
func parseTopic(s string) (topicName, error) {
	n := topicName{domain: "persistent"}
	rest := s
	if domain, after, ok := strings.Cut(s, "://"); ok {
		n.domain, rest = domain, after
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) != 3 {
		return n, fmt.Errorf("--topic %q: must be TENANT/NAMESPACE/TOPIC, with or without persistent:// before it, or a name without a slash", s)
	}
	n.tenant, n.namespace, n.topic = parts[0], parts[1], parts[2]
	return n, nil
}

// String is the name without its domain, as in logs and spans.
func (n topicName) String() string { return n.tenant + "/" + n.namespace + "/" + n.topic }

func (n topicName) full() string { return n.domain + "://" + n.String() }
