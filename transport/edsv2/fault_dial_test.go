package edsv2

import (
	"net/url"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/internal/wslink"
)

var dialFaults = []fault{
	{"A9/class", testStatusClasses},
	{"A20", testQueueNames},
}

func testStatusClasses(t *testing.T) {
	for status := 400; status < 600; status++ {
		want := wslink.Transient
		switch {
		case status == 401 || status == 403:
			want = wslink.BadKey
		case status == 409:
			want = wslink.Held
		case status < 500 && status != 408 && status != 425 && status != 429:
			want = wslink.BadSetting
		}
		if got := judge(&wslink.Ending{Status: status}); got != want {
			t.Errorf("%d: class %d, want %d", status, got, want)
		}
	}
}

func testQueueNames(t *testing.T) {
	for _, queue := range []string{"a&b=c", "with space", "a/b?c#d", "üñí", "100%", "+", `"'<>`} {
		s := newService(t, sound(strings.ReplaceAll(event("e1", "r1"), `"my-queue"`, `null`)))
		tr := New("ws://127.0.0.1:80/subscribe?queue=other&x=%26", queue, APIKey(canary), DialContext(s.DialContext))
		d := must(t, tr)
		asked := s.Asked()[0].URL
		if q := asked.Query().Get("queue"); q != queue {
			t.Errorf("queue %q subscribed to %q", queue, q)
		}
		if asked.String() != "/subscribe?"+(url.Values{"queue": {queue}, "x": {"&"}}).Encode() {
			t.Errorf("url = %q", asked)
		}
		if want := "eds://127.0.0.1:80/" + url.PathEscape(queue); d.Event.Source != want || d.Event.Queue != queue {
			t.Errorf("event = %+v", d.Event)
		}
		if _, err := url.Parse(d.Event.Source); err != nil {
			t.Error(err)
		}
		tr.Close(t.Context())
	}
}
