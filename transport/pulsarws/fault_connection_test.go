package pulsarws

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/linktest"
)

var connectionFaults = []fault{
	{"B28", testCloseWithUnsettled},
	{"B43", testIllegalCloseCodes},
}

// testIllegalCloseCodes: the documentation lists close codes that RFC 6455
// does not allow on the wire. A service that sends one all the same ends a
// connection, and no more.
func testIllegalCloseCodes(t *testing.T, connect maker) {
	codes := []uint16{0, 1, 2, 3, 4, 5, 6, 7, 8, 999, 1004, 1005, 1006, 1015, 5000, 65535}
	illegal := linktest.Raw(func(n int, conn net.Conn) {
		conn.Write(binary.BigEndian.AppendUint16([]byte{0x88, 2}, codes[n-1]))
		linktest.Drain(conn)
	})
	s := newService(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n > len(codes) {
			sound(message(1))(n, w, r)
			return
		}
		illegal(n, w, r)
	})
	c := connect(s)
	if d := must(t, c); d.Receipt != at(1) {
		t.Errorf("%+v", d)
	}
	st := c.Status()
	if n := s.Count(); n != len(codes)+1 || st.State != eds.Connected {
		t.Errorf("%d connections, %+v", n, st)
	}
	if st.Err == nil {
		t.Error("no cause")
	}
}

// testCloseWithUnsettled ends a connection when four of ten were settled.
func testCloseWithUnsettled(t *testing.T, connect maker) {
	acked := make(chan []string, 2)
	s := newService(t, accept(func(p *peer) {
		first := 0
		if startOf(p.Request) == at(3) {
			first = 4
		}
		for i := first; i < 10; i++ {
			p.Send(message(i))
		}
		if p.N == 1 {
			acked <- p.Acks(4)
			return
		}
		acked <- p.Acks(10 - first)
		p.Rest()
	}))
	c := connect(s)
	var first []*eds.Delivery
	for i := range 10 {
		d := must(t, c)
		first = append(first, d)
		if i < 4 {
			ackIt(t, c, d)
		}
	}
	want := fmt.Sprint([]string{at(0), at(1), at(2), at(3)})
	if got := fmt.Sprint(<-acked); got != want {
		t.Errorf("acknowledged %v, want %v", got, want)
	}
	_, isReader := c.(*Reader)
	again := 0
	if isReader {
		again = 4 // it goes on behind what is settled
	}
	for i := again; i < 10; i++ {
		d := must(t, c)
		if d.Receipt != at(i) {
			t.Errorf("%d: %+v", i, d)
		}
		ackIt(t, c, d)
	}
	for i, d := range first {
		err := c.Ack(t.Context(), d)
		// The service forgot a consumer's deliveries; a reader's count here.
		if !isReader && err != eds.ErrReceiptLost || isReader && err != nil {
			t.Errorf("Ack(%d) = %v", i, err)
		}
	}
	if got := <-acked; len(got) != 10-again {
		t.Errorf("acknowledged %v", got)
	}
	until(t, c, time.Minute)
	if s.Count() != 2 {
		t.Errorf("%d connections", s.Count())
	}
}
