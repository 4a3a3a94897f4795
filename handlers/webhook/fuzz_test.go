package webhook

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "-1", "1.5", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "soon", " 7 "} {
		f.Add(s)
	}
	now := time.Date(2026, 3, 20, 14, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		d, ok := retryAfter(value, now)
		if d < 0 || d > maxRetryAfter || !ok && d != 0 {
			t.Errorf("%q: %v, %v", value, d, ok)
		}
		digits := strings.TrimSpace(value)
		if isNumber := digits != "" && strings.Trim(digits, "0123456789") == ""; isNumber && !ok {
			t.Errorf("%q is a number of seconds and is not taken", value)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 20, 14, 30, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"0": 0, "120": 2 * time.Minute, " 7 ": 7 * time.Second, "3600": time.Hour, "3601": time.Hour, "00000000000000000001": time.Second,
		"Fri, 20 Mar 2026 14:30:30 GMT": 30 * time.Second, "Fri, 20 Mar 2026 14:29:00 GMT": 0, "Fri, 20 Mar 2099 14:30:00 GMT": time.Hour,
		"Friday, 20-Mar-26 14:30:30 GMT": 30 * time.Second, "Fri Mar 20 14:30:30 2026": 30 * time.Second,
	} {
		if got, ok := retryAfter(value, now); !ok || got != want {
			t.Errorf("%q: %v, %v; want %v", value, got, ok, want)
		}
	}
	for _, value := range []string{"", " ", "-1", "+1", "1.5", "1s", "soon", "1 2", "٣"} {
		if got, ok := retryAfter(value, now); ok {
			t.Errorf("%q: %v", value, got)
		}
	}
}

func TestHeaderValue(t *testing.T) {
	for value, want := range map[string]string{
		"":           "",
		"plain!~'()": "plain!~'()",
		`a "b" %`:    "a%20%22b%22%20%25",
		"Euro € 😀":   "Euro%20%E2%82%AC%20%F0%9F%98%80", // the example of the binding, section 3.1.3.2
		"\x00\x7f\n": "%00%7F%0A",
	} {
		if got := headerValue(value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func FuzzHeaderValue(f *testing.F) {
	for _, s := range []string{"", "a b", "%41", "Euro € 😀", "\r\nX: y", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got := headerValue(value)
		for i := range len(got) {
			if c := got[i]; c <= ' ' || c >= 0x7f || c == '"' {
				t.Fatalf("%q: %q has a byte that does not belong in a header", value, got)
			}
		}
		if back, err := url.PathUnescape(got); err != nil || back != value {
			t.Errorf("%q: comes back as %q, %v", value, back, err)
		}
		if id := encode(value, `"%.`); strings.Contains(id, ".") {
			t.Errorf("%q: an id with a full stop", id)
		}
	})
}
