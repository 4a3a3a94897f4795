package wsserver

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// pair returns a wire and the client's end of its connection, in a bubble.
func pair(t *testing.T, closing func(int)) (*wire, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	w := newWire(near, closing)
	t.Cleanup(func() {
		_ = w.Close()
		_ = far.Close()
	})
	return w, far
}

func TestWireSeesCloseFramesBeforeTheClient(t *testing.T) {
	for _, c := range []struct {
		name  string
		frame []byte
		want  int
	}{
		{"with a code", []byte{finBit | closeFrame, 2, 0x11, 0x39}, 4409},
		{"without", []byte{finBit | closeFrame, 0}, CodeNone},
		{"text", AppendFrame(nil, Text, true, []byte("\x88\x02")), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seen := make(chan int, 1)
				w, far := pair(t, func(code int) { seen <- code })
				go func() { _, _ = w.Write(c.frame) }()
				synctest.Wait() // the client has read nothing yet
				got := 0
				select {
				case got = <-seen:
				default:
				}
				if got != c.want {
					t.Errorf("close code %d, not %d", got, c.want)
				}
				_, _ = io.ReadFull(far, make([]byte, len(c.frame)))
			})
		})
	}
}

func TestMutedWireSwallowsAllAndEndsWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, far := pair(t, nil)
		w.silence()
		if n, err := w.Write([]byte("lost")); n != 4 || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
		read := make(chan error, 1)
		go func() {
			_, err := w.Read(make([]byte, 8))
			read <- err
		}()
		if _, err := far.Write([]byte("lost too")); err != nil {
			t.Error(err)
		}
		_ = far.Close()
		synctest.Wait()
		select {
		case err := <-read:
			t.Fatalf("heard of the end: %v", err)
		default:
		}
		_ = w.Close()
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// A session holds up reading first, while it still writes what goes before the
// freeze. A thaw that comes meanwhile is not forgotten.
func TestFreezeBeginsWithReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, far := pair(t, nil)
		w.holdReading()
		heard := make(chan string, 1)
		go func() {
			p := make([]byte, 8)
			n, _ := w.Read(p)
			heard <- string(p[:n])
		}()
		go func() { _, _ = w.Write([]byte("out")) }()
		got := make([]byte, 3)
		if _, err := io.ReadFull(far, got); err != nil || string(got) != "out" {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := far.Write([]byte("in")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		select {
		case p := <-heard:
			t.Errorf("read %q", p)
		default:
		}
		w.unfreeze()
		if p := <-heard; p != "in" {
			t.Errorf("read %q", p)
		}
		w.holdWriting() // too late
		if w.cutOff() {
			t.Error("frozen after the thaw")
		}
	})
}

func TestFrozenWireIsLateAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, far := pair(t, nil)
		before := w.lastPass()
		w.freeze()
		go func() { _, _ = w.Write([]byte("late")) }()
		time.Sleep(time.Minute) // fake time: for the bubble to pass it
		synctest.Wait()
		if got := w.lastPass(); !got.Equal(before) {
			t.Errorf("bytes passed at %v", got)
		}
		w.unfreeze()
		got := make([]byte, 4)
		if _, err := io.ReadFull(far, got); err != nil || string(got) != "late" {
			t.Errorf("%q, %v", got, err)
		}
		synctest.Wait()
		if got := w.lastPass().Sub(before); got != time.Minute {
			t.Errorf("bytes passed after %v", got)
		}
		w.freeze()
		ended := make(chan error, 1)
		go func() {
			_, err := w.Write([]byte("never"))
			ended <- err
		}()
		synctest.Wait()
		_ = w.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestFrameLengths(t *testing.T) {
	for _, c := range []struct {
		n      int
		header []byte
	}{
		{0, []byte{0x81, 0}},
		{125, []byte{0x81, 125}},
		{126, []byte{0x81, 126, 0, 126}},
		{65535, []byte{0x81, 126, 0xff, 0xff}},
		{65536, []byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
	} {
		data := bytes.Repeat([]byte("x"), c.n)
		got := AppendFrame(nil, Text, true, data[:c.n/3], data[c.n/3:])
		if want := append(c.header, data...); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: header % x", c.n, got[:len(c.header)])
		}
	}
	if got := AppendFrame([]byte("before"), Binary, false, []byte("x")); string(got) != "before\x02\x01x" {
		t.Errorf("% x", got)
	}
}
