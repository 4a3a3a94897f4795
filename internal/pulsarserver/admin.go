package pulsarserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
)

// Topics are named TENANT/NAMESPACE/TOPIC here, as in the addresses of the
// WebSocket service; all are persistent. Namespaces are TENANT/NAMESPACE.

// fresh numbers names, so that no two tests share one.
var fresh atomic.Int64

// Topic returns a new name of a topic, which isn't created, in a namespace
// where the first use creates it.
func (s *Server) Topic() string {
	return fmt.Sprintf("public/default/%s-%d", s.tested(), fresh.Add(1))
}

// Namespace creates a namespace with a new name.
func (s *Server) Namespace() string {
	s.tb.Helper()
	name := fmt.Sprintf("public/%s-%d", s.tested(), fresh.Add(1))
	s.must(http.MethodPut, "namespaces/"+name, nil)
	return name
}

// tested is the test's name in letters that Pulsar allows in all names.
func (s *Server) tested() string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, s.tb.Name())
}

// CreateTenant creates a tenant.
func (s *Server) CreateTenant(name string) {
	s.tb.Helper()
	s.must(http.MethodPut, "tenants/"+name, map[string]any{"allowedClusters": []string{"standalone"}})
}

// CreateTopic creates a topic without partitions.
func (s *Server) CreateTopic(topic string) {
	s.tb.Helper()
	s.must(http.MethodPut, at(topic), nil)
}

// CreatePartitioned creates a topic with n partitions, which are topics named
// TOPIC-partition-0 and so on.
func (s *Server) CreatePartitioned(topic string, n int) {
	s.tb.Helper()
	s.must(http.MethodPut, at(topic)+"/partitions", n)
}

// Subscribe creates a subscription from the "earliest" or "latest" message.
func (s *Server) Subscribe(topic, subscription, from string) {
	s.tb.Helper()
	s.must(http.MethodPut, at(topic)+"/subscription/"+segment(subscription), from)
}

// Unsubscribe deletes a subscription, and ends the consumers that it has.
func (s *Server) Unsubscribe(topic, subscription string) {
	s.tb.Helper()
	s.must(http.MethodDelete, at(topic)+"/subscription/"+segment(subscription)+"?force=true", nil)
}

// Skip passes n messages of a subscription by.
func (s *Server) Skip(topic, subscription string, n int) {
	s.tb.Helper()
	s.must(http.MethodPost, fmt.Sprintf("%s/subscription/%s/skip/%d", at(topic), segment(subscription), n), nil)
}

// Terminate ends a topic: nothing can be published to it any more.
func (s *Server) Terminate(topic string) {
	s.tb.Helper()
	s.must(http.MethodPost, at(topic)+"/terminate", nil)
}

// Unload makes the broker let go of a topic and take it up again. Its
// messages go to a new ledger from then on.
func (s *Server) Unload(topic string) {
	s.tb.Helper()
	s.must(http.MethodPut, at(topic)+"/unload", nil)
}

// Trim deletes the ledgers of a topic that neither a subscription nor the
// namespace's retention needs any more; never the one that is written to.
func (s *Server) Trim(topic string) {
	s.tb.Helper()
	s.must(http.MethodPost, at(topic)+"/trim", nil)
}

// Delete deletes a topic with its subscriptions, whoever uses it.
func (s *Server) Delete(topic string) {
	s.tb.Helper()
	s.must(http.MethodDelete, at(topic)+"?force=true", nil)
}

// Retain says for how long, and up to which size, a namespace keeps messages
// that no subscription needs: 0 and 0 for not at all, -1 for no limit.
func (s *Server) Retain(namespace string, minutes, megabytes int) {
	s.tb.Helper()
	s.must(http.MethodPost, "namespaces/"+namespace+"/retention",
		map[string]int{"retentionTimeInMinutes": minutes, "retentionSizeInMB": megabytes})
}

// AutoCreate says whether the first use of a topic in the namespace creates it.
func (s *Server) AutoCreate(namespace string, yes bool) {
	s.tb.Helper()
	policy := map[string]any{"allowAutoTopicCreation": yes}
	if yes {
		policy["topicType"] = "non-partitioned"
	}
	s.must(http.MethodPost, "namespaces/"+namespace+"/autoTopicCreation", policy)
}

// Grant says what a role may do in a namespace, "consume" and "produce". It
// is of use on a server WithTokens.
func (s *Server) Grant(namespace, role string, actions ...string) {
	s.tb.Helper()
	s.must(http.MethodPost, "namespaces/"+namespace+"/permissions/"+role, actions)
}

// Stats are what the broker knows of a topic, as of now.
type Stats struct {
	Subscriptions map[string]struct {
		// Type is Exclusive, Shared, Failover or Key_Shared; "None" before the
		// first consumer.
		Type string `json:"type"`
		// Backlog counts the messages that are not acknowledged yet, those on
		// their way to consumers among them, which Unacked counts.
		Backlog   int `json:"msgBacklog"`
		Unacked   int `json:"unackedMessages"`
		Consumers []struct {
			Name             string `json:"consumerName"`
			Unacked          int    `json:"unackedMessages"`
			AvailablePermits int    `json:"availablePermits"`
		} `json:"consumers"`
	} `json:"subscriptions"`
	Publishers []struct {
		Name string `json:"producerName"`
	} `json:"publishers"`
}

// Stats asks the broker for them. Acknowledgements reach it up to 100 ms late.
func (s *Server) Stats(topic string) Stats {
	s.tb.Helper()
	var stats Stats
	body := s.must(http.MethodGet, at(topic)+"/stats?getPreciseBacklog=true", nil)
	if err := json.Unmarshal(body, &stats); err != nil {
		s.tb.Fatalf("pulsarserver: the statistics of %s: %v", topic, err)
	}
	return stats
}

// Call calls Pulsar's REST admin API, at a path below /admin/v2/, for what
// has no method here. The body is sent as JSON; nil for none.
func (s *Server) Call(method, path string, body any) (status int, answer []byte) {
	s.tb.Helper()
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			s.tb.Fatalf("pulsarserver: %s %s: %v", method, path, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience) // cleanups call it, too
	defer cancel()
	status, answer, err := request(ctx, method, s.Admin+"/admin/v2/"+path, s.p.credentials(), sent)
	if err != nil {
		s.tb.Fatalf("pulsarserver: %v", err)
	}
	return status, answer
}

func (s *Server) must(method, path string, body any) []byte {
	s.tb.Helper()
	status, answer := s.Call(method, path, body)
	if status/100 != 2 {
		s.tb.Fatalf("pulsarserver: %s %s: status %d: %.300s", method, path, status, answer)
	}
	return answer
}

// segment makes a part of a path. Pulsar reads a plus there as a blank.
func segment(name string) string {
	return strings.ReplaceAll(url.PathEscape(name), "+", "%2B")
}

// at is the path of a topic in the admin API.
func at(topic string) string {
	namespace, name := topic, ""
	if i := strings.LastIndexByte(topic, '/'); i >= 0 {
		namespace, name = topic[:i], topic[i+1:]
	}
	return "persistent/" + namespace + "/" + segment(name)
}
