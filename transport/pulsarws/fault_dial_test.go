package pulsarws

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/linktest"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

var dialFaults = []fault{
	{"A9/class", testStatusClasses},
	{"A10/404", testTopicGone},
	{"A10/500", testServerErrorForEver},
	{"A20", testNamesOnTheWire},
}

func testStatusClasses(t *testing.T, _ maker) {
	for status := 300; status < 600; status++ {
		for _, connected := range []bool{false, true} {
			want := wslink.Transient
			switch {
			case status == 401 || status == 403:
				want = wslink.BadKey
			case status == 409:
				want = wslink.Held
			case status == 404 && connected:
			case status >= 400 && status < 500 && status != 408 && status != 425 && status != 429:
				want = wslink.BadSetting
			}
			if got := judge(&wslink.Ending{Status: status}, connected); got != want {
				t.Errorf("%d, connected before %v: class %d, want %d", status, connected, got, want)
			}
		}
	}
}

// testTopicGone has a topic that was there disappear for half an hour.
func testTopicGone(t *testing.T, connect maker) {
	start := time.Now()
	s := newService(t, nil)
	s.Answer = func(n int, w http.ResponseWriter, r *http.Request) {
		switch {
		case n == 1:
			accept(func(p *peer) { p.Send(message(1)); p.Acks(1) })(n, w, r)
		case time.Since(start) < 30*time.Minute:
			refuse(404, "Topic does not exist")(n, w, r)
		default:
			sound(message(2))(n, w, r)
		}
	}
	c := connect(s)
	ackIt(t, c, must(t, c))
	if d := must(t, c); d.Receipt != at(2) {
		t.Errorf("%+v", d)
	}
	for i, g := range s.Gaps()[1:] {
		if g < 30*time.Second || g > time.Minute {
			t.Errorf("gap %d is %v, want 30 s at least", i, g)
		}
	}
}

// testServerErrorForEver: whatever a 500 means, it may pass.
func testServerErrorForEver(t *testing.T, connect maker) {
	s := newService(t, refuse(500, "Failed to create consumer: broker is gone"))
	log := &linktest.Journal{}
	c := connect(s, Logger(log.Logger()))
	until(t, c, 2*time.Hour)
	gaps := s.Gaps()
	if n := len(gaps); n < 100 || n > 600 {
		t.Errorf("%d tries within two hours", n)
	}
	for i, g := range gaps {
		if g > time.Minute {
			t.Errorf("gap %d is %v", i, g)
		}
	}
	if st := c.Status(); st.State != eds.Connecting || st.Err == nil || !strings.Contains(st.Err.Error(), "broker is gone") {
		t.Errorf("%+v", st)
	}
}
