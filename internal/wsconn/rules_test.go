package wsconn

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// Pauses stay within their bounds, however many there are (faults A17, A19).
func TestBackoffBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		min := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "min"))
		max := min + time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "more"))
		b := NewBackoff(min, max)
		limit := min
		for range rapid.IntRange(1, 200).Draw(t, "tries") {
			if d := b.Next(); d < min/10 || d > limit+1 {
				t.Fatalf("pause of %v, want up to %v", d, limit)
			}
			if limit = 2 * limit; limit > max {
				limit = max
			}
		}
		b.Reset()
		if d := b.Next(); d > min+1 {
			t.Fatalf("after Reset: %v", d)
		}
	})
}

// Of many clients that lost their connections at once no tenth comes back
// within the same 100 ms (fault A17).
func TestBackoffSpreads(t *testing.T) {
	slots := map[time.Duration]int{}
	const clients = 10_000
	for range clients {
		b := NewBackoff(500*time.Millisecond, 30*time.Second)
		d := b.Next() + b.Next() + b.Next() // the third try
		slots[d/(100*time.Millisecond)]++
	}
	for slot, n := range slots {
		if n > clients/10 {
			t.Errorf("%d of %d in slot %d", n, clients, slot)
		}
	}
}

func TestStandby(t *testing.T) {
	var s Standby
	for range 3 {
		if s.Waiting() {
			t.Error("waiting before the first refusal")
		}
		for i := range 1000 {
			d := s.Next()
			switch {
			case i < 5 && (d < time.Second || d > 1200*time.Millisecond):
				t.Errorf("pause %d is %v", i, d)
			case i > 20 && (d < 15*time.Second || d > 30*time.Second):
				t.Errorf("pause %d is %v", i, d)
			}
		}
		s.Reset()
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-1": 0, "1.5": 0, "soon": 0,
		"300": RetryAfterLimit, "301": RetryAfterLimit, "9223372036854775807": RetryAfterLimit,
		"99999999999999999999999":       RetryAfterLimit,
		"Fri, 20 Mar 2026 12:00:30 GMT": 30 * time.Second, "Fri, 20 Mar 2026 11:00:00 GMT": 0,
		"Fri, 20 Mar 2099 12:00:00 GMT": RetryAfterLimit,
	} {
		if got := RetryAfter(value, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120")
	f.Add("Fri, 31 Dec 9999 23:59:59 GMT")
	f.Add("-9223372036854775808")
	f.Fuzz(func(t *testing.T, value string) {
		if d := RetryAfter(value, time.Now()); d < 0 || d > RetryAfterLimit {
			t.Fatalf("%q: %v", value, d)
		}
	})
}

func FuzzRedact(f *testing.F) {
	f.Add("GET /?key=", "eght_CANARY", ": refused", uint8(3))
	f.Add("", "user:pass%word\"\\\n", "", uint8(0))
	f.Add("", "[redacted]", "", uint8(0))
	f.Fuzz(func(t *testing.T, before, secret, after string, cut uint8) {
		text := before + secret + after + Quote(secret, 1<<20)
		if len(secret) > 8 {
			// Cut at the end, as a close reason is.
			text += secret[:len(secret)-int(cut)%(len(secret)-6)]
		}
		got := Redact(text, secret)
		if secret != "" && strings.Contains(got, secret) {
			t.Fatalf("Redact(%q, %q) = %q", text, secret, got)
		}
		line := OneLine(got, 100)
		if len(line) > 103 || !utf8.ValidString(line) || strings.ContainsAny(line, "\n\r\x1b") {
			t.Fatalf("OneLine(%q) = %q", got, line)
		}
		if q := Quote(got, 100); len(q) > 0 && strings.ContainsAny(q, "\n\r\x1b") {
			t.Fatalf("Quote(%q) = %q", got, q)
		}
	})
}

func TestRedact(t *testing.T) {
	const key = `k3y with "quotes" & 100%`
	for _, text := range []string{
		key, "a" + key + key + "b", `\"k3y with \"quotes\" & 100%\"`, "?key=k3y+with+%22quotes%22+%26+100%25",
		"/k3y%20with%20%22quotes%22%20&%20100%25/", "cut here: k3y with \"quo",
	} {
		if got := Redact(text, key); strings.Contains(got, "k3y") || strings.Contains(got, "quo") || !strings.Contains(got, redacted) {
			t.Errorf("Redact(%q) = %q", text, got)
		}
	}
	if got := Redact("nothing to hide", key); got != "nothing to hide" {
		t.Errorf("%q", got)
	}
}
