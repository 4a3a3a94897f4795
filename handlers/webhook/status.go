package webhook

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// maxRetryAfter bounds what an endpoint can ask for: after an hour it has had
// time enough to see whether it still wants to wait.
const maxRetryAfter = time.Hour

// StatusError says that the endpoint answered, but not with 2xx. Test for it
// with errors.As.
type StatusError struct {
	// Target is the endpoint's scheme and host.
	Target string
	// Status is the HTTP status of the answer.
	Status int
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("webhook: %s: answered %d", e.Target, e.Status)
	if name := http.StatusText(e.Status); name != "" {
		text += " " + name
	}
	if e.Status/100 == 3 {
		text += " (redirects are not followed)"
	}
	return text
}

// ErrorType is a name of low cardinality for metrics and spans: the status.
func (e *StatusError) ErrorType() string { return strconv.Itoa(e.Status) }

// judge reads off the answer what is to become of the event.
func (s *Sink) judge(resp *http.Response) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	err := &StatusError{Target: s.target, Status: resp.StatusCode}
	if !worthRetrying(resp.StatusCode) {
		return eds.Permanent(err)
	}
	if pause, ok := retryAfter(resp.Header.Get("Retry-After"), time.Now()); ok {
		return eds.RetryAfter(err, pause)
	}
	return err
}

func worthRetrying(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status/100 == 5
}

// retryAfter reads the header Retry-After: seconds, or a date (RFC 9110,
// section 10.2.3).
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(date.Sub(now), 0), maxRetryAfter), true
}
