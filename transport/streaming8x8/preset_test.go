package streaming8x8

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

// handshake returns what a transport asks of a service that refuses its key.
func handshake(t *testing.T, dial func(url string) eds.Transport) (*http.Request, error) {
	t.Helper()
	asked := make(chan *http.Request, 1)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r:
		default:
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer service.Close()
	transport := dial("ws" + strings.TrimPrefix(service.URL, "http"))
	defer transport.Close(context.WithoutCancel(t.Context()))
	_, err := transport.Receive(t.Context())
	select {
	case r := <-asked:
		return r, err
	default:
		t.Fatalf("nothing was dialed: %v", err)
		return nil, nil
	}
}

var silent = pulsarws.Logger(slog.New(slog.DiscardHandler))

const key = "eght_c2VjcmV0+/="

func TestConsumerHandshake(t *testing.T) {
	r, err := handshake(t, func(url string) eds.Transport {
		return NewConsumer(url, "acme", AllEvents, "my crm/1", APIKey(" \t"+key+"\r\n"), pulsarws.Subscribe(pulsarws.KeyShared), ReceiverQueueSize(5000), silent)
	})
	if r.URL.EscapedPath() != "/ws/v2/consumer/persistent/acme/event-v1/all/my%20crm%2F1" {
		t.Errorf("path %s", r.URL.EscapedPath())
	}
	if q := r.URL.Query(); q.Get("receiverQueueSize") != "1000" || q.Get("subscriptionType") != "Key_Shared" {
		t.Errorf("query %s", r.URL.RawQuery)
	}
	keyInHeaderAlone(t, r)
	if _, ok := errors.AsType[*eds.AuthError](err); !ok || strings.Contains(err.Error(), key) {
		t.Errorf("%v", err)
	}
}

func TestReaderHandshake(t *testing.T) {
	r, _ := handshake(t, func(url string) eds.Transport {
		return NewReader(url, "acme", Agent("agAglVJkg0TU28dok9y9UQKg"), APIKeyFunc(func(context.Context) (string, error) { return key, nil }),
			pulsarws.From(pulsarws.Earliest), ReceiverQueueSize(0), silent)
	})
	if r.URL.EscapedPath() != "/ws/v2/reader/persistent/acme/agent-v1/agAglVJkg0TU28dok9y9UQKg" {
		t.Errorf("path %s", r.URL.EscapedPath())
	}
	if q := r.URL.Query(); q.Get("receiverQueueSize") != "2" || q.Get("messageId") != "earliest" {
		t.Errorf("query %s", r.URL.RawQuery)
	}
	keyInHeaderAlone(t, r)
}

func keyInHeaderAlone(t *testing.T, r *http.Request) {
	t.Helper()
	if got := r.Header.Values("X-Api-Key"); len(got) != 1 || got[0] != key {
		t.Errorf("X-API-Key %q", got)
	}
	if r.Header.Get("Authorization") != "" || strings.Contains(strings.ToLower(r.URL.RawQuery), "key=") || strings.Contains(r.URL.RawQuery, "c2VjcmV0") {
		t.Errorf("the key is elsewhere, too: %s, %q", r.URL, r.Header)
	}
}

func TestKeyInQueryIsAsked(t *testing.T) {
	r, err := handshake(t, func(url string) eds.Transport {
		return NewReader(url, "acme", EventType("InteractionDeAssigned"), APIKey(key), KeyInQuery(), silent)
	})
	if got := r.URL.Query()["x-api-key"]; len(got) != 1 || got[0] != key || r.Header.Get("X-API-Key") != "" {
		t.Errorf("query %s, header %q", r.URL.RawQuery, r.Header)
	}
	if !strings.HasSuffix(r.URL.Path, "/event-v1/InteractionDeassigned") {
		t.Errorf("path %s", r.URL.Path)
	}
	if err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
		t.Errorf("%v", err)
	}
}

func TestAddress(t *testing.T) {
	for host, want := range map[string]string{
		HostUS2: "wss://pulsar-ws-usw2.8x8.com:443", " h.example\n": "wss://h.example:443", "h.example:8443": "wss://h.example:8443",
		"ws://127.0.0.1:80/x?a=b": "ws://127.0.0.1:80/x?a=b", "wss://h.example": "wss://h.example",
	} {
		if got := address(host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

// What is wrong is told before anything is dialed.
func TestPresetSettings(t *testing.T) {
	for _, v := range []eds.Validator{
		NewConsumer(HostUS1, "acme", AllEvents, "crm", APIKey(key)),
		NewReader(HostUK3, "acme", AllEvents, APIKey(key)),
	} {
		if err := v.Validate(); err != nil {
			t.Error(err)
		}
	}
	for name, v := range map[string]eds.Validator{
		"no tenant":       NewReader(HostUK3, "", AllEvents, APIKey(key)),
		"no host":         NewReader("", "acme", AllEvents, APIKey(key)),
		"no agent":        NewReader(HostUK3, "acme", Agent(""), APIKey(key)),
		"no topic":        NewReader(HostUK3, "acme", Topic{}, APIKey(key)),
		"no subscription": NewConsumer(HostUK3, "acme", AllEvents, " ", APIKey(key)),
		"in the clear":    NewReader("ws://"+HostUK3, "acme", AllEvents, APIKey(key)),
	} {
		err := v.Validate()
		if _, ok := errors.AsType[*eds.ConfigError](err); !ok || strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
