package wslink

import (
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wsconn"
)

// Class says what to do after a connection ended or was refused.
type Class uint8

// The classes of endings.
const (
	Transient  Class = iota // back off, try again
	Held                    // another client has what this one wants: stand by
	BadKey                  // final
	BadSetting              // final
)

// Ending is how a connection, or the try to get one, came to its end.
type Ending struct {
	Class Class
	// Status is the answer to the handshake, and Code that of a close frame;
	// each 0 when there was none.
	Status int
	Code   websocket.StatusCode
	// Err holds neither key nor URL.
	Err error
	// RetryAfter is the least pause: what the service asked for, or what is
	// fit for something that only a person can mend.
	RetryAfter time.Duration
	// Alarm says that somebody should know.
	Alarm bool
	// Note is what Judge adds to the error.
	Note string
}

// Alarm returns err with a mark: when a session ends with it, somebody should
// know.
func Alarm(err error) error { return alarm{err} }

type alarm struct{ error }

const (
	reasonLimit = 200 // of what a service says
	errorLimit  = 300 // of an error's text
)

// OfStatus is how most services mean the status of a handshake. 409 is what a
// service answers when another client is there already.
func OfStatus(status int) Class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return BadKey
	case http.StatusConflict:
		return Held
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return Transient
	}
	if status >= 400 && status < 500 {
		return BadSetting
	}
	return Transient
}

// refusal judges a failed dial.
func (l *Link[S]) refusal(resp *http.Response, err error, key string) Ending {
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
		end := Ending{Err: l.Safe("cannot connect to "+l.Host, err, key)}
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			end.RetryAfter, end.Alarm = l.BackoffMax/2, true
		}
		if pe, ok := errors.AsType[proxyError](err); ok {
			end.Class, end.Status = BadSetting, int(pe)
			end.Err = l.errorOf(end, fmt.Sprintf("the proxy answered %d", int(pe)), "")
		}
		return end
	}
	end := Ending{Status: resp.StatusCode}
	var body []byte
	if resp.Body != nil {
		body, _ = io.ReadAll(io.LimitReader(resp.Body, 1024))
		resp.Body.Close()
	}
	reason := string(body)
	if mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); mediaType == "text/html" {
		reason = titleOf(reason)
	}
	reason = Spoken(reason, key)
	switch {
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable:
		end.RetryAfter = wsconn.RetryAfter(resp.Header.Get("Retry-After"), time.Now())
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		// Of the address only the host: the rest may hold anything.
		to := "another place"
		if u, err := url.Parse(resp.Header.Get("Location")); err == nil && u.Host != "" {
			to = Spoken(u.Host, key)
		}
		reason = "redirects to " + to + " are not followed"
	}
	end.Class = l.Judge(&end)
	end.Err = l.errorOf(end, fmt.Sprintf("the service answered %d", resp.StatusCode), reason)
	return end
}

// titleOf returns the title of an HTML page, or all of it when it has none.
func titleOf(page string) string {
	if m := title.FindStringSubmatch(page); m != nil {
		return html.UnescapeString(m[1])
	}
	return page
}

var title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`)

// Closing judges the end of an established connection.
func (l *Link[S]) Closing(line *Line, err error) Ending {
	if ce, ok := errors.AsType[websocket.CloseError](err); ok {
		end := Ending{Code: ce.Code}
		what := fmt.Sprintf("the service closed the connection with %d", ce.Code)
		if ce.Code == websocket.StatusNoStatusRcvd {
			what = "the service closed the connection without a status"
		}
		end.Class = l.Judge(&end)
		end.Err = l.errorOf(end, what, Spoken(ce.Reason, line.Key))
		return end
	}
	if ce, ok := errors.AsType[*eds.ConfigError](err); ok {
		return Ending{Class: BadSetting, Err: ce} // of the session itself
	}
	_, loud := errors.AsType[alarm](err)
	// What the connection ended with tells more than what the WebSocket
	// made of it.
	if cause := line.Conn.Err(); cause != nil && !errors.Is(cause, net.ErrClosed) {
		err = cause
	}
	return Ending{Err: l.Safe("connection lost", err, line.Key), Alarm: loud}
}

func (l *Link[S]) errorOf(end Ending, what, reason string) error {
	if end.Note != "" {
		what += ", " + end.Note
	}
	switch end.Class {
	case BadKey:
		return &eds.AuthError{Code: end.Status + int(end.Code), Reason: reason}
	case Transient, Held:
	case BadSetting:
		what += " for " + l.Kind + " " + wsconn.Quote(l.Name, reasonLimit)
		if reason != "" {
			what += ": " + reason
		}
		return &eds.ConfigError{Setting: "url", Value: l.Shown, Reason: what}
	}
	if reason != "" {
		what += ": " + reason
	}
	return errors.New(l.Package + ": " + what)
}

// Safe makes an error that can be shown from one that may hold anything. It
// wraps nothing: the URL and the key would be found inside.
func (l *Link[S]) Safe(what string, err error, key string) error {
	// One may hold another, as when a proxy is reached by HTTP.
	for ue, ok := errors.AsType[*url.Error](err); ok && ue.Err != nil; ue, ok = errors.AsType[*url.Error](err) {
		err = ue.Err
	}
	text := wsconn.Redact(err.Error(), key)
	if address := l.dialed.Load(); address != nil {
		text = wsconn.Redact(text, *address)
	}
	return fmt.Errorf("%s: %s: %s", l.Package, what, wsconn.OneLine(text, errorLimit))
}

// Spoken makes what a service says, without the key, fit for errors and logs.
func Spoken(text, key string) string {
	return wsconn.Quote(strings.TrimSpace(wsconn.Redact(text, key)), reasonLimit)
}
