package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/cloudevent"
)

// message makes the body and the headers of the request for e (CloudEvents
// 1.0.2, HTTP protocol binding, sections 3.1 and 3.2).
func (s *Sink) message(e *eds.Event) ([]byte, http.Header) {
	header := make(http.Header, 16)
	if s.structured {
		header.Set("Content-Type", "application/cloudevents+json; charset=UTF-8")
		return cloudevent.Append(make([]byte, 0, 512+len(e.Payload)), e), header
	}
	for _, a := range cloudevent.Attributes(e) {
		header.Set("Ce-"+a.Name, headerValue(a.Value))
	}
	if len(e.Payload) > 0 {
		header.Set("Content-Type", cloudevent.ContentType(e, cloudevent.IsJSON(e.Payload)))
	}
	return e.Payload, header
}

// headerValue percent-encodes what the binding does not allow in a header:
// the space, the double quote, the percent sign, and all but printable ASCII
// (section 3.1.3.2).
func headerValue(s string) string { return encode(s, `"%`) }

// encode percent-encodes the bytes of special and all that is not visible ASCII.
func encode(s, special string) string {
	plain := func(c byte) bool { return c > ' ' && c < 0x7f && strings.IndexByte(special, c) < 0 }
	var b strings.Builder
	start := 0
	for i := range len(s) {
		if c := s[i]; !plain(c) {
			b.WriteString(s[start:i])
			fmt.Fprintf(&b, "%%%02X", c)
			start = i + 1
		}
	}
	if start == 0 {
		return s
	}
	b.WriteString(s[start:])
	return b.String()
}

// sign adds the three headers of Standard Webhooks. The id must be free of
// full stops, which separate the parts that are signed ("Signature scheme").
func (s *Sink) sign(ctx context.Context, header http.Header, e *eds.Event, body []byte) error {
	if s.secrets == nil {
		return nil
	}
	secrets, err := s.secrets(ctx)
	if err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	if len(secrets) == 0 {
		return errors.New("secret: there is none")
	}
	id, now := encode(cloudevent.ID(e), `"%.`), time.Now()
	signatures := make([]string, 0, len(secrets))
	for _, secret := range secrets {
		if err := checkSecret(secret); err != nil {
			return err
		}
		key, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return err
		}
		signature, err := key.Sign(id, now, body)
		if err != nil {
			return err
		}
		signatures = append(signatures, signature)
	}
	header.Set(standardwebhooks.HeaderWebhookID, id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, fmt.Sprint(now.Unix()))
	header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}

// propagate adds the trace context of ctx, if there is one, in the format
// that the program chose with otel.SetTextMapPropagator.
func propagate(ctx context.Context, header http.Header) {
	otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(header))
}
