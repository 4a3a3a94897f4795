package edsv2

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/coder/websocket"
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

// The close codes that the vendor's FAQ names, and 4403, which completes them:
// the same refusals come as HTTP statuses where the vendor's connection page is
// right.
const (
	closeUnauthorized websocket.StatusCode = 4401
	closeForbidden    websocket.StatusCode = 4403
	closeHeld         websocket.StatusCode = 4409
)

// judge says what an ending means. All close codes that are not named are
// routine: among them are a gateway's closes of idle connections and, every
// two hours, of all.
func judge(end *wslink.Ending) wslink.Class {
	switch end.Code {
	case 0:
		return wslink.OfStatus(end.Status)
	case closeUnauthorized, closeForbidden:
		return wslink.BadKey
	case closeHeld:
		return wslink.Held
	}
	return wslink.Transient
}
