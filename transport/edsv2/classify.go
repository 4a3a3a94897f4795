package edsv2

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wsconn"
)

// class says what to do after a connection ended or was refused.
type class uint8

const (
	transient  class = iota // back off, try again
	held                    // another client has the queue: stand by
	badKey                  // final
	badSetting              // final
)

// The close codes that the vendor's FAQ names, and 4403, which completes them:
// the same refusals come as HTTP statuses where the vendor's connection page is
// right.
const (
	closeUnauthorized websocket.StatusCode = 4401
	closeForbidden    websocket.StatusCode = 4403
	closeHeld         websocket.StatusCode = 4409
)

// ofStatus classifies the answer to a handshake.
func ofStatus(status int) class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return badKey
	case http.StatusConflict:
		return held
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return transient
	}
	if status >= 400 && status < 500 {
		return badSetting
	}
	return transient
}

// ofClose classifies a close frame. All codes that are not named are routine:
// among them are a gateway's closes of idle connections and, every two hours,
// of all.
func ofClose(code websocket.StatusCode) class {
	switch code {
	case closeUnauthorized, closeForbidden:
		return badKey
	case closeHeld:
		return held
	}
	return transient
}

// ending is how a connection, or the try to get one, came to its end.
type ending struct {
	class class
	code  int   // HTTP status or close code; 0 for none
	err   error // holds neither key nor URL
	// retryAfter is the least pause: what the service asked for, or what is
	// fit for something that only a person can mend.
	retryAfter time.Duration
	alarm      bool // somebody should know
}

const (
	reasonLimit = 200 // of what a service says
	errorLimit  = 300 // of an error's text
)

// refusal judges a failed dial.
func (t *Transport) refusal(resp *http.Response, err error, key string) ending {
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
		end := ending{err: t.safe("cannot connect to "+t.host, err, key)}
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			end.retryAfter, end.alarm = t.backoffMax/2, true
		}
		if pe, ok := errors.AsType[proxyError](err); ok {
			end.class, end.code = badSetting, int(pe)
			end.err = t.endError(end, fmt.Sprintf("the proxy answered %d", int(pe)), "")
		}
		return end
	}
	end := ending{class: ofStatus(resp.StatusCode), code: resp.StatusCode}
	var body []byte
	if resp.Body != nil {
		body, _ = io.ReadAll(io.LimitReader(resp.Body, 1024))
		resp.Body.Close()
	}
	reason := spoken(string(body), key)
	switch {
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable:
		end.retryAfter = wsconn.RetryAfter(resp.Header.Get("Retry-After"), time.Now())
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		// Of the address only the host: the rest may hold anything.
		to := "another place"
		if u, err := url.Parse(resp.Header.Get("Location")); err == nil && u.Host != "" {
			to = spoken(u.Host, key)
		}
		reason = "redirects to " + to + " are not followed"
	}
	end.err = t.endError(end, fmt.Sprintf("the service answered %d", resp.StatusCode), reason)
	return end
}

// closing judges the end of an established connection.
func (t *Transport) closing(s *session, err error) ending {
	if ce, ok := errors.AsType[websocket.CloseError](err); ok {
		end := ending{class: ofClose(ce.Code), code: int(ce.Code)}
		what := fmt.Sprintf("the service closed the connection with %d", ce.Code)
		if ce.Code == websocket.StatusNoStatusRcvd {
			what = "the service closed the connection without a status"
		}
		end.err = t.endError(end, what, spoken(ce.Reason, s.key))
		return end
	}
	// What the connection ended with tells more than what the WebSocket
	// made of it.
	if cause := s.conn.Err(); cause != nil && !errors.Is(cause, net.ErrClosed) {
		err = cause
	}
	return ending{err: t.safe("connection lost", err, s.key)}
}

func (t *Transport) endError(end ending, what, reason string) error {
	switch end.class {
	case badKey:
		return &eds.AuthError{Code: end.code, Reason: reason}
	case badSetting:
		what += " for queue " + wsconn.Quote(t.queue, reasonLimit)
		if reason != "" {
			what += ": " + reason
		}
		return &eds.ConfigError{Setting: "url", Value: t.shown, Reason: what}
	}
	if reason != "" {
		what += ": " + reason
	}
	return errors.New("edsv2: " + what)
}

// safe makes an error that can be shown from one that may hold anything. It
// wraps nothing: the URL and the key would be found inside.
func (t *Transport) safe(what string, err error, key string) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	text := wsconn.Redact(err.Error(), key)
	if t.url != "" {
		text = wsconn.Redact(text, t.url)
	}
	return fmt.Errorf("edsv2: %s: %s", what, wsconn.OneLine(text, errorLimit))
}

// spoken makes what a service says fit for errors and logs.
func spoken(text, key string) string {
	return wsconn.Quote(strings.TrimSpace(wsconn.Redact(text, key)), reasonLimit)
}
