package wslink

import (
	"net/url"
	"testing"
)

// What is wrong with a URL is told with the URL, but without what may be
// secret in it.
func TestShownURL(t *testing.T) {
	for raw, want := range map[string]string{
		"wss://host/path":              "wss://host/path",
		"wss://host/path?token=s#f":    "wss://host/path",
		"wss://user:secret@host/path":  "wss://host/path",
		"wss://u:se?cr#et@host/x?a=b":  "wss://host/x",
		"wss://u:se@cr/et@host":        "wss://host",
		"user:secret@host":             "host",
		"no url at all?token=secret":   "no url at all",
		"http://host:8080/a/b#section": "http://host:8080/a/b",
	} {
		if got := Harmless(raw); got != want {
			t.Errorf("%q is shown as %q, want %q", raw, got, want)
		}
	}
}

func TestShownOfAnAddress(t *testing.T) {
	for raw, want := range map[string]string{
		"wss://host/path?token=s#f":  "wss://host/path",
		"wss://u:secret@host/path":   "wss://host/path",
		"wss://host/a%2Fb":           "wss://host/a%2Fb",
		"wss://user/secret@host":     "wss://user",
		"wss://user/secret%40host/x": "wss://user",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := Shown(u); got != want {
			t.Errorf("%q is shown as %q, want %q", raw, got, want)
		}
	}
}
