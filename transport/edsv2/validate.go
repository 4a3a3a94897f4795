package edsv2

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/eventdelivery/eds-go/internal/wslink"
)

// Validate tells what is wrong with the settings: joined *eds.ConfigErrors, one
// for each, or nil. It dials nothing. Test for one with errors.As.
func (t *Transport) Validate() error { return t.invalid }

// validate checks the settings and, when they are right, makes the link.
func (t *Transport) validate(rawURL, queue string) error {
	var all []error
	u, err := t.URL(rawURL)
	if err != nil {
		all = append(all, err)
	}
	switch {
	case strings.TrimSpace(queue) == "":
		all = append(all, wslink.Wrong("queue", queue, "must not be empty"))
	case !utf8.ValidString(queue):
		all = append(all, wslink.Wrong("queue", queue, "must be UTF-8"))
	}
	if t.Key == nil {
		all = append(all, wslink.Wrong(t.KeyName, "", "is not set"))
	}
	all = append(all, t.Settings.Validate()...)
	if t.visibility < 0 {
		all = append(all, wslink.Wrong("VisibilityTimeout", t.visibility.String(), "must not be negative"))
	}
	if len(all) == 0 {
		t.connectTo(u, queue)
	}
	return errors.Join(all...)
}

// connectTo sets where to dial and what the events are named after.
func (t *Transport) connectTo(u *url.URL, queue string) {
	v := *u
	q := v.Query()
	q.Set("queue", queue)
	v.RawQuery, v.Fragment, v.RawFragment = q.Encode(), "", ""
	address := v.String()

	t.queue = queue
	t.source = "eds://" + u.Host + "/" + url.PathEscape(queue)
	t.link = wslink.New(wslink.Config[*session]{
		Settings: t.Settings,
		Package:  "edsv2",
		Kind:     "queue", Name: queue,
		Host: u.Host, Shown: wslink.Shown(u),
		Request: func(key string) (string, http.Header) {
			return address, http.Header{"Authorization": {"api-key " + key}}
		},
		Open:  t.newSession,
		Judge: judge,
		Left:  t.account,
	})
}
