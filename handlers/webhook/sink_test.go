package webhook

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/cloudevent"
)

const (
	secretA = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secretB = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

func event() *eds.Event {
	return &eds.Event{
		ID: "6f1c9d6e-0c57", Type: "TENANT_ONBOARDED", Source: "eds://eds.example/my-queue", Queue: "my-queue",
		Time: time.Date(2026, 3, 20, 14, 30, 0, 5e8, time.UTC), Payload: []byte(`{ "n": 9007199254740993 }`),
		Attributes: map[string]string{"baggage": "a=b c", "X-Id": "é%\n"},
	}
}

// request is what the endpoint saw.
type request struct {
	*http.Request
	body []byte
}

// endpoint answers as answer says and keeps the requests.
type endpoint struct {
	*httptest.Server
	mu   sync.Mutex
	seen []request
}

func serve(t *testing.T, answer http.HandlerFunc) *endpoint {
	t.Helper()
	e := &endpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		e.seen = append(e.seen, request{r, body})
		e.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) last(t *testing.T) request {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.seen) == 0 {
		t.Fatal("there was no request")
	}
	return e.seen[len(e.seen)-1]
}

func newSink(t *testing.T, rawURL string, opts ...Option) *Sink {
	t.Helper()
	s, err := New(rawURL, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }

func TestBinaryMode(t *testing.T) {
	e := serve(t, ok)
	s := newSink(t, e.URL+"/in?x=1", Header("authorization", "Bearer t"))
	if err := s.Handle(t.Context(), event()); err != nil {
		t.Fatal(err)
	}
	r := e.last(t)
	if r.Method != "POST" || r.RequestURI != "/in?x=1" || string(r.body) != `{ "n": 9007199254740993 }` {
		t.Errorf("%s %s %s", r.Method, r.RequestURI, r.body)
	}
	want := map[string]string{
		"Content-Type": "application/json", "Authorization": "Bearer t",
		"Ce-Specversion": "1.0", "Ce-Id": "6f1c9d6e-0c57", "Ce-Source": "eds://eds.example/my-queue", "Ce-Type": "TENANT_ONBOARDED",
		"Ce-Time": "2026-03-20T14:30:00.5Z", "Ce-Edsqueue": "my-queue", "Ce-Baggage": "a=b%20c",
		"Ce-Edsattrz58z2dz49d": "%C3%A9%2525%250A", "Ce-Edsescaped": "edsattrz58z2dz49d",
	}
	for name, value := range want {
		if got := r.Header.Values(name); len(got) != 1 || got[0] != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	for name := range r.Header {
		if (strings.HasPrefix(name, "Ce-") || strings.HasPrefix(name, "Webhook-")) && want[name] == "" {
			t.Errorf("%s is there too", name)
		}
	}
}

func TestBinaryModeOfUnusualEvents(t *testing.T) {
	e := serve(t, ok)
	s := newSink(t, e.URL, Secret(secretA))
	for name, row := range map[string]struct {
		event       *eds.Event
		contentType []string
		id          string
	}{
		"no_payload":   {&eds.Event{ID: "1", Type: "T", Source: "s"}, nil, "1"},
		"null_payload": {&eds.Event{ID: "1", Type: "T", Source: "s", Payload: []byte("null")}, []string{"application/json"}, "1"},
		"unreadable_frame": {&eds.Event{Source: "s", Payload: []byte("\xff")}, []string{"application/octet-stream"},
			"unreadable-a8100ae6aa1940d0b663bb31cd466142"},
		"foreign_content_type": {&eds.Event{ID: "a.b \"%\n", Type: "T", Source: "s", Payload: []byte(`{}`),
			Attributes: map[string]string{"datacontenttype": "application/x+json"}}, []string{"application/x+json"}, "a%2Eb%20%22%25%0A"},
	} {
		if err := s.Handle(t.Context(), row.event); err != nil {
			t.Fatal(err)
		}
		r := e.last(t)
		if !slices.Equal(r.Header["Content-Type"], row.contentType) || !bytes.Equal(r.body, row.event.Payload) {
			t.Errorf("%s: %q, body %q", name, r.Header["Content-Type"], r.body)
		}
		if id := r.Header.Get("Webhook-Id"); id != row.id {
			t.Errorf("%s: webhook-id %q", name, id)
		}
		verify(t, secretA, r)
	}
}

func TestStructuredMode(t *testing.T) {
	e := serve(t, ok)
	s := newSink(t, e.URL, Structured(), Secret(secretA))
	if err := s.Handle(t.Context(), event()); err != nil {
		t.Fatal(err)
	}
	r := e.last(t)
	if got := r.Header.Get("Content-Type"); got != "application/cloudevents+json; charset=UTF-8" {
		t.Errorf("content type %q", got)
	}
	if r.Header.Get("Ce-Id") != "" {
		t.Errorf("binary headers in structured mode")
	}
	got, err := cloudevent.Parse(r.body)
	if err != nil || got.ID != event().ID || !maps.Equal(got.Attributes, event().Attributes) {
		t.Errorf("body %s, %v", r.body, err)
	}
	verify(t, secretA, r)
}

func verify(t *testing.T, secret string, r request) {
	t.Helper()
	key, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Verify(r.body, r.Header); err != nil {
		t.Errorf("the receiver refuses the signature: %v", err)
	}
}

func TestSignaturesOfSeveralSecrets(t *testing.T) {
	e := serve(t, ok)
	var now []string
	for _, s := range []*Sink{
		newSink(t, e.URL, Secret(secretA, secretB)),
		newSink(t, e.URL, SecretFunc(func(context.Context) ([]string, error) { return now, nil })),
	} {
		now = []string{secretA}
		if err := s.Handle(t.Context(), event()); err != nil {
			t.Fatal(err)
		}
		verify(t, secretA, e.last(t))
		now = []string{secretB}
		if err := s.Handle(t.Context(), event()); err != nil {
			t.Fatal(err)
		}
		verify(t, secretB, e.last(t))
	}
}

func TestNothingIsSentWithoutItsSecret(t *testing.T) {
	e := serve(t, ok)
	boom := errors.New("vault is sealed")
	for name, f := range map[string]func(context.Context) ([]string, error){
		"fails":     func(context.Context) ([]string, error) { return []string{secretA}, boom },
		"none":      func(context.Context) ([]string, error) { return nil, nil },
		"no_secret": func(context.Context) ([]string, error) { return []string{"whsec_hunter2"}, nil },
	} {
		err := newSink(t, e.URL, SecretFunc(f)).Handle(t.Context(), event())
		if err == nil || eds.IsPermanent(err) || strings.Contains(err.Error(), "hunter2") || name == "fails" && !errors.Is(err, boom) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(e.seen) > 0 {
		t.Errorf("%d requests", len(e.seen))
	}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	var status int
	var after string
	e := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.WriteHeader(status)
		io.WriteString(w, "secret answer")
	})
	s := newSink(t, e.URL)
	const never = -1 * time.Second
	for _, row := range []struct {
		status    int
		after     string
		permanent bool
		delay     time.Duration
	}{
		{301, "", true, never}, {302, "", true, never}, {303, "", true, never}, {304, "", true, never}, {307, "5", true, never}, {308, "", true, never},
		{400, "", true, never}, {401, "", true, never}, {403, "", true, never}, {404, "", true, never}, {409, "", true, never},
		{410, "", true, never}, {413, "9", true, never}, {422, "", true, never}, {451, "", true, never}, {499, "", true, never},
		{408, "", false, never}, {425, "", false, never}, {429, "", false, never}, {429, "7", false, 7 * time.Second},
		{500, "", false, never}, {501, "", false, never}, {502, "", false, never}, {503, "0", false, 0}, {503, "soon", false, never},
		{503, "99999999999999999999", false, time.Hour}, {503, "Fri, 31 Dec 1999 23:59:59 GMT", false, 0},
		{504, "3601", false, time.Hour}, {599, "", false, never},
		{600, "", true, never}, {999, "", true, never},
	} {
		status, after = row.status, row.after
		e.seen = nil
		err := s.Handle(t.Context(), event())
		answered, ok := errors.AsType[*StatusError](err)
		if !ok || answered.Status != row.status || answered.Target != e.URL || eds.OutcomeOf(err) != eds.Failed {
			t.Fatalf("%d: %v", row.status, err)
		}
		if !strings.Contains(err.Error(), e.URL) || !strings.Contains(err.Error(), fmt.Sprint(row.status)) || strings.Contains(err.Error(), "answer\n") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d: the text is %q", row.status, err)
		}
		if eds.IsPermanent(err) != row.permanent {
			t.Errorf("%d: permanent is %v", row.status, !row.permanent)
		}
		delay, ok := eds.RetryDelay(err)
		if !ok {
			delay = never
		}
		if delay != row.delay {
			t.Errorf("%d, Retry-After %q: %v, want %v", row.status, row.after, delay, row.delay)
		}
		if len(e.seen) != 1 {
			t.Errorf("%d: %d requests", row.status, len(e.seen))
		}
	}
	for _, status = range []int{200, 201, 202, 204, 299} {
		if err := s.Handle(t.Context(), event()); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestRedirectsAreNotFollowedWithTheUsersClientEither(t *testing.T) {
	e := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	s := newSink(t, e.URL, Client(client))
	if err := s.Handle(t.Context(), event()); !eds.IsPermanent(err) || len(e.seen) != 1 {
		t.Errorf("%v after %d requests", err, len(e.seen))
	}
	if client.CheckRedirect != nil {
		t.Errorf("the user's client was changed")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestEndpointThatDoesNotAnswer(t *testing.T) {
	mute := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})}
	synctest.Test(t, func(t *testing.T) {
		s := newSink(t, "http://crm.example", Client(mute))
		begin := time.Now()
		err := s.Handle(t.Context(), event())
		if took := time.Since(begin); took != 15*time.Second || !errors.Is(err, context.DeadlineExceeded) || eds.IsPermanent(err) ||
			!strings.Contains(err.Error(), "no answer within 15s") {
			t.Errorf("after %v: %v", took, err)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, eds.ErrShutdown)
		defer cancel()
		if err := s.Handle(ctx, event()); !errors.Is(err, eds.ErrShutdown) || time.Since(begin) != 16*time.Second {
			t.Errorf("the cause of the handler's context is lost: %v", err)
		}
		s = newSink(t, "http://crm.example", Client(mute), Timeout(time.Millisecond))
		if err := s.Handle(t.Context(), event()); !strings.Contains(err.Error(), "1ms") {
			t.Error(err)
		}
	})
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	var connections sync.Map
	e := serve(t, func(w http.ResponseWriter, r *http.Request) {
		connections.Store(r.RemoteAddr, true)
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, strings.Repeat("x", 10<<10))
	})
	s := newSink(t, e.URL)
	for range 20 {
		_ = s.Handle(t.Context(), event())
	}
	n := 0
	connections.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d connections for 20 requests", n)
	}
}

// An endless answer must not hold the event up: some is read, then the
// connection is closed.
func TestEndlessAnswer(t *testing.T) {
	wrote := make(chan int, 1)
	e := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		sum := 0
		for {
			n, err := w.Write(make([]byte, 32<<10))
			if sum += n; err != nil {
				wrote <- sum
				return
			}
		}
	})
	if err := newSink(t, e.URL).Handle(t.Context(), event()); err != nil {
		t.Error(err)
	}
	// Beyond what was read there is only what the sockets hold.
	if n := <-wrote; n > 64<<20 {
		t.Errorf("%d bytes were read", n)
	}
}

func TestTraceContextTravelsAlong(t *testing.T) {
	before := otel.GetTextMapPropagator()
	otel.SetTextMapPropagator(propagation.TraceContext{})
	defer otel.SetTextMapPropagator(before)
	e := serve(t, ok)
	s := newSink(t, e.URL)
	if err := s.Handle(t.Context(), event()); err != nil || e.last(t).Header.Get("Traceparent") != "" {
		t.Errorf("traceparent without a span: %v", err)
	}
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	if err := s.Handle(trace.ContextWithSpanContext(t.Context(), span), event()); err != nil {
		t.Fatal(err)
	}
	if got := e.last(t).Header.Get("Traceparent"); got != "00-01000000000000000000000000000000-0200000000000000-01" {
		t.Errorf("traceparent %q", got)
	}
}

// Every way to fail, with a canary in each secret place: none may come out.
func TestNothingSecretComesOut(t *testing.T) {
	const canary = "CANARY"
	garbage, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := garbage.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
				t.Error(err)
			}
			c.Write([]byte("CANARY CANARY CANARY\r\n\r\n"))
			c.Close()
		}
	})
	defer served.Wait()
	defer garbage.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	plain := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, canary, http.StatusTeapot) })
	secret := "whsec_" + strings.Repeat("CANARY", 8)
	for name, base := range map[string]string{
		"refused": closed.URL, "garbage": "http://" + garbage.Addr().String(), "status": plain.URL,
		"tls": strings.Replace(plain.URL, "http:", "https:", 1), "no_such_host": "http://crm.invalid",
	} {
		u, _ := url.Parse(base)
		u.User, u.Path, u.RawQuery, u.Fragment = url.UserPassword("CANARY", "CANARY"), "/CANARY", "key=CANARY", "CANARY"
		s := newSink(t, u.String(), Secret(secret), Header("X-Key", canary))
		e := event()
		e.Payload = []byte(`"CANARY"`)
		err := s.Handle(t.Context(), e)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if !strings.Contains(err.Error(), u.Host) {
			t.Errorf("%s does not name the host: %v", name, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Error("x", "err", err, "sink", s)
		slog.New(slog.NewTextHandler(&log, nil)).Error("x", "err", err, "sink", s)
		fmt.Fprintf(&log, "%v %+v %#v %v %+v %#v %s", err, err, s, s, s, s, s)
		if strings.Contains(log.String(), canary) {
			t.Errorf("%s: %s", name, log.String())
		}
	}
}

func TestNewNamesTheWrongSetting(t *testing.T) {
	const good = "https://crm.example/in"
	for name, row := range map[string]struct {
		url  string
		opt  Option
		want string
	}{
		"empty_url":          {"", nil, "URL"},
		"scheme":             {"ftp://CANARY@crm.example/CANARY?CANARY", nil, "ftp://crm.example"},
		"no_host":            {"https:///CANARY", nil, "HOST"},
		"opaque":             {"https:CANARY", nil, "HOST"},
		"unparsable":         {"https://crm.example/%zzCANARY", nil, "parse"},
		"secret_prefix":      {good, Secret("CANARY"), "whsec_"},
		"secret_short":       {good, Secret("whsec_CANARY=="), "24 to 64"},
		"secret_base64":      {good, Secret("whsec_" + strings.Repeat("CANARY!!", 5)), "24 to 64"},
		"second_secret":      {good, Secret(secretA, "CANARY"), "2 of 2"},
		"no_secret":          {good, Secret(), "Secret"},
		"nil_secret_func":    {good, SecretFunc(nil), "SecretFunc"},
		"nil_client":         {good, Client(nil), "Client"},
		"timeout":            {good, Timeout(0), "0s"},
		"header_name":        {good, Header("a b", "CANARY"), "a b"},
		"header_value":       {good, Header("a", "CANARY\r\n"), `"a"`},
		"header_of_ours":     {good, Header("CE-id", "CANARY"), "CE-id"},
		"header_of_net_http": {good, Header("content-length", "CANARY"), "content-length"},
		"header_signature":   {good, Header("webhook-signature", "CANARY"), "webhook-signature"},
	} {
		_, err := New(row.url, row.opt)
		if _, ok := errors.AsType[*eds.ConfigError](err); !ok || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConcurrentEvents(t *testing.T) {
	e := serve(t, ok)
	s := newSink(t, e.URL, Secret(secretA), Header("X", "y"))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				if err := s.Handle(t.Context(), event()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if len(e.seen) != 80 {
		t.Errorf("%d requests", len(e.seen))
	}
}

var _ eds.Handler = (*Sink)(nil).Handle
