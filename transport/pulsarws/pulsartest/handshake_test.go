package pulsartest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// The rows were seen on Pulsar 4.0.8.
func TestConsumerParameters(t *testing.T) {
	const ok = http.StatusSwitchingProtocols
	for query, want := range map[string]int{
		"subscriptionType=shared": 400, "subscriptionType=": 400, "subscriptionMode=durable": 400, "subscriptionInitialPosition=First": 400,
		"receiverQueueSize=abc": 400, "receiverQueueSize=-1": 400, "receiverQueueSize=": 400, "receiverQueueSize=99999999999": 400,
		"ackTimeoutMillis=999": 400, "ackTimeoutMillis=-1": 400, "maxRedeliverCount=0": 400, "deadLetterTopic=acme/events/dead": 400,
		"negativeAckRedeliveryDelay=-1": 400, "consumerName=": 400, "consumerName=%20": 400, "priorityLevel=-1": 400, "priorityLevel=x": 400,
		"ackTimeoutMillis=1000": ok, "ackTimeoutMillis=0": ok, "receiverQueueSize=0": ok, "receiverQueueSize=5000": ok,
		"negativeAckRedeliveryDelay=0": ok, "pullMode=maybe": ok, "cryptoFailureAction=NONE": ok, "unknown=1": ok,
		"receiverQueueSize=1&receiverQueueSize=x": ok, "receiverQueueSize=x&receiverQueueSize=1": 400,
		"maxRedeliverCount=1": ok, "subscriptionMode=NonDurable": ok, "consumerName=a&priorityLevel=3": ok,
	} {
		in(t, func(t *testing.T, s *pulsartest.Server) {
			c, status := try(t, s, consumerPath("sub", query))
			if c != nil {
				status = ok
			}
			if status != want {
				t.Errorf("%s: %d, want %d", query, status, want)
			}
		})
	}
}

func TestPaths(t *testing.T) {
	const ok = http.StatusSwitchingProtocols
	for path, want := range map[string]int{
		"/ws/v2/consumer/persistent/acme/events/orders/":      400,
		"/ws/v2/consumer/persistent/acme/events/orders":       400,
		"/ws/v2/consumer/persistent/acme/events/orders/sub/x": 400,
		"/ws/v2/consumer/transient/acme/events/orders/sub":    500,
		"/ws/v2/consumer/persistent/acme":                     500,
		"/ws/v2/consumer/persistent/no%20tenant/ns/t/sub":     500,
		"/ws/v2/nothing/persistent/acme/events/orders":        404,
		"/ws/v2": 404, "/": 404, "/ws/v4/consumer/sub?topics=a": 404, "/subscribe": 404,
		"/ws/v2/consumer/persistent/acme/events/a%2Fb/sub":                               ok,
		"/ws/v2/reader/persistent/acme/events/a/b":                                       ok,
		"/ws/v2/reader/persistent/acme/events/orders/":                                   ok,
		"/ws/v2/producer/non-persistent/acme/events/orders":                              ok,
		"/ws/v3/consumer/sub?topics=a,b":                                                 ok,
		"/ws/v3/consumer/sub?topics=":                                                    400,
		"/ws/v3/consumer/sub":                                                            500,
		"/ws/v3/consumer/?topics=a":                                                      400,
		"/ws/v3/consumer/sub?topics=a&topicsPattern=b":                                   500,
		"/ws/v3/consumer/sub?topicsPattern=acme/events/.*":                               ok,
		"/ws/v3/consumer/sub?topicsPattern=(":                                            400,
		"/ws/v3/consumer/sub?topics=a,b&receiverQueueSize=0":                             500,
		"/ws/v2/consumer/persistent/acme/events/orders/sub?" + strings.Repeat("x", 9000): 414,
	} {
		in(t, func(t *testing.T, s *pulsartest.Server) {
			c, status := try(t, s, path)
			if c != nil {
				status = ok
			}
			if status != want {
				t.Errorf("%.80s: %d, want %d", path, status, want)
			}
		})
	}
}

// Topic and subscription are decoded as in a form.
func TestNamesAreFormDecoded(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		for raw, topic := range map[string]string{
			"a%2Bb": "a+b", "a+b": "a b", "a%20b": "a b", "a%2Fb": "a/b", "%C3%A9": "é", "a%3Bb": "a;b", "a;b": "a;b",
		} {
			c := dial(t, s, "/ws/v2/consumer/persistent/acme/events/"+raw+"/"+raw)
			if subs := handle(t, s, "acme/events/"+topic).Subscriptions(); len(subs) != 1 || subs[0] != topic {
				t.Errorf("%s: subscriptions %q, want %q", raw, subs, topic)
			}
			c.close()
			handle(t, s, "acme/events/"+topic)
		}
	})
}

func TestPlainHTTP(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		transport := &http.Transport{DialContext: s.DialContext}
		defer transport.CloseIdleConnections()
		get := func(header string) (int, string) {
			req, _ := http.NewRequest(http.MethodGet, "http://x"+consumerPath("sub", "receiverQueueSize=x"), nil)
			req.Header.Set("X-Filler", header)
			resp, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			return resp.StatusCode, string(body)
		}
		if status, _ := get(""); status != http.StatusMethodNotAllowed {
			t.Errorf("a plain GET: %d", status)
		}
		if status, _ := get(strings.Repeat("x", 9000)); status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a header of 9 kB: %d", status)
		}
	})
}

func TestAuthentication(t *testing.T) {
	const ok = http.StatusSwitchingProtocols
	in(t, func(t *testing.T, s *pulsartest.Server) {
		for i, row := range []struct {
			query, name, value string
			want               int
		}{
			{"", "", "", 401},
			{"", "Authorization", "Bearer good", ok},
			{"", "Authorization", "Bearer bad", 401},
			{"", "Authorization", "good", 401},
			{"token=good", "", "", ok},
			{"token=Bearer%20good", "", "", ok},
			{"token=bad", "", "", 401},
			{"token=good", "Authorization", "Bearer bad", 401}, // the header counts
			{"token=bad", "Authorization", "Bearer good", ok},
			{"", "X-API-Key", "key", ok},
			{"", "API-Key", "key", 401},
			{"x-api-key=key", "", "", ok},
			{"X-API-KEY=key", "", "", 401},
			{"x-api-key=key", "X-API-Key", "wrong", 401},
		} {
			var header []string
			if row.name != "" {
				header = []string{row.name, row.value}
			}
			for _, path := range []string{consumerPath(fmt.Sprint(i), row.query), readerPath(row.query), producerPath(row.query)} {
				c, status := try(t, s, path, header...)
				if c != nil {
					status = ok
				}
				if status != row.want {
					t.Errorf("%+v: %d", row, status)
				}
			}
		}
		good := []string{"Authorization", "Bearer good"}
		if status := refused(t, s, "/ws/v2/reader/persistent/acme/events/secret", good...); status != http.StatusForbidden {
			t.Errorf("forbidden topic: %d", status)
		}
		if status := refused(t, s, "/ws/v3/consumer/sub?topics=acme/events/secret,a", good...); status != http.StatusForbidden {
			t.Errorf("forbidden topic of several: %d", status)
		}
		// Credentials come before parameters, on all endpoints.
		for _, path := range []string{consumerPath("sub", "receiverQueueSize=x"), readerPath("receiverQueueSize=x"), producerPath("sendTimeoutMillis=x")} {
			if status := refused(t, s, path); status != http.StatusUnauthorized {
				t.Errorf("%s without a token: %d", path, status)
			}
		}
		// A consumer's parameters come before its permissions, a producer's after.
		const secret = "/persistent/acme/events/secret"
		if status := refused(t, s, "/ws/v2/consumer"+secret+"/sub?receiverQueueSize=x", good...); status != http.StatusBadRequest {
			t.Errorf("consumer: %d", status)
		}
		if status := refused(t, s, "/ws/v2/producer"+secret+"?sendTimeoutMillis=x", good...); status != http.StatusForbidden {
			t.Errorf("producer: %d", status)
		}
		for _, query := range []string{"sendTimeoutMillis=x", "hashingScheme=MD5", "compressionType=RAR", "initialSequenceId=x"} {
			if status := refused(t, s, producerPath(query), good...); status != http.StatusBadRequest {
				t.Errorf("producer %s: %d", query, status)
			}
		}
	}, pulsartest.Token("good"), pulsartest.APIKey("key"), pulsartest.Forbid("acme/events/secret"))
}

func TestNoAutoCreation(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		for path, want := range map[string]int{consumerPath("sub", ""): 404, producerPath(""): 404, readerPath(""): 500} {
			if status := refused(t, s, path); status != want {
				t.Errorf("%s: %d", path, status)
			}
		}
		handle(t, s, topic)
		dial(t, s, readerPath("")) // a reader's subscription is no one's to forbid
		if status := refused(t, s, consumerPath("sub", "")); status != http.StatusInternalServerError {
			t.Errorf("subscription that is not there: %d", status)
		}
		handle(t, s, topic).Subscribe("sub", true)
		dial(t, s, consumerPath("sub", ""))
	}, pulsartest.NoAutoCreate(), pulsartest.NoAutoSubscribe())
}

func TestDialFaults(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		busy := s.OnDial(pulsartest.Refuse(http.StatusTooManyRequests).With("Retry-After", "3"), pulsartest.Times(2))
		for range 2 {
			if status := refused(t, s, readerPath("")); status != http.StatusTooManyRequests {
				t.Errorf("status %d", status)
			}
		}
		dial(t, s, readerPath(""))
		if busy.Count() != 2 {
			t.Errorf("count %d", busy.Count())
		}
		s.OnDial(pulsartest.Drop())
		if status := refused(t, s, readerPath("")); status != 0 {
			t.Errorf("dropped: %d", status)
		}
		s.OnDial(pulsartest.Close(1008, "no"))
		if code := dial(t, s, readerPath("")).ended(); code != 1008 {
			t.Errorf("closed with %d", code)
		}
	})
}
