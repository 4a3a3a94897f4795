package pulsartest

import (
	"net/http"
	"net/url"
	"strings"
)

// endpoint is what a WebSocket is for.
type endpoint string

const (
	producerEnd endpoint = "producer"
	consumerEnd endpoint = "consumer"
	readerEnd   endpoint = "reader"
)

// target is what the path of a dial names.
type target struct {
	end          endpoint
	topic        string // in full; empty for v3
	subscription string
	multi        bool // v3: the topics are in the query
}

// refusal is why a client is not let in.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func invalid(text string) *refusal {
	return &refusal{http.StatusBadRequest, "Invalid query params: " + text}
}

func broken(text string) *refusal { return &refusal{http.StatusInternalServerError, text} }

// parsePath reads the path as the service does: split while it is encoded,
// topic and subscription decoded as in a form, where a plus is a space.
func parsePath(uri string) (target, *refusal) {
	path, _, _ := strings.Cut(uri, "?")
	if _, rest, ok := strings.Cut(path, "://"); ok { // an absolute form
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	parts := strings.Split(path, "/")
	if len(parts) < 4 || parts[1] != "ws" {
		return target{}, &refusal{http.StatusNotFound, "no such path"}
	}
	t := target{end: endpoint(parts[3])}
	switch {
	case parts[2] == "v2" && (t.end == producerEnd || t.end == consumerEnd || t.end == readerEnd):
	case parts[2] == "v3" && t.end == consumerEnd:
		t.multi = true
		sub := ""
		if len(parts) > 4 {
			sub = parts[4]
		}
		return t.subscribed(sub)
	default:
		return target{}, &refusal{http.StatusNotFound, "no such path"}
	}
	if len(parts) < 8 {
		return target{}, broken("Invalid topic name format")
	}
	last := len(parts)
	if t.end == consumerEnd {
		last--
	}
	words := []string{parts[7]}
	for i := 8; i < last; i++ {
		if parts[i] != "" { // a trailing slash counts for nothing
			words = append(words, parts[i])
		}
	}
	topic, err := url.QueryUnescape(strings.Join(words, "/"))
	if err != nil {
		return target{}, broken(err.Error())
	}
	if t.topic, err = joinName(parts[4], parts[5], parts[6], topic); err != nil {
		return target{}, broken(err.Error())
	}
	if t.end != consumerEnd {
		return t, nil
	}
	if len(parts) != 9 {
		return target{}, invalid("Invalid topic name format")
	}
	return t.subscribed(parts[8])
}

func (t target) subscribed(raw string) (target, *refusal) {
	if raw == "" {
		return target{}, invalid("Empty subscription name")
	}
	sub, err := url.QueryUnescape(raw)
	if err != nil {
		return target{}, invalid(err.Error())
	}
	t.subscription = sub
	return t, nil
}
