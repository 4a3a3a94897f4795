package wsconn

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RetryAfterLimit is the longest time that RetryAfter returns: a service, or
// whoever answers in its place, cannot park a client for longer.
const RetryAfterLimit = 5 * time.Minute

// RetryAfter reads the Retry-After header of RFC 9110, section 10.2.3: seconds
// or a date. What cannot be read or lies in the past is zero.
func RetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if digits(value) {
		// Too many digits for an int are too many seconds as well.
		n, err := strconv.Atoi(value)
		if err != nil || n > int(RetryAfterLimit/time.Second) {
			return RetryAfterLimit
		}
		return time.Duration(n) * time.Second
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(0, min(date.Sub(now), RetryAfterLimit))
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
