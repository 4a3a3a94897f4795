package edstest

import (
	"bytes"
	"fmt"
	"time"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// SendAction is what a fault does to a frame that the server sends. A Breakage
// is one too.
type SendAction interface {
	fmt.Stringer
	send(*outgoing)
}

// ReceiveAction is what a fault does to a frame that arrived. A Breakage is
// one too.
type ReceiveAction interface {
	fmt.Stringer
	receive(*arrival)
}

// Pause is made by Delay.
type Pause struct{ d time.Duration }

// Delay holds up a frame, or the answer to a dial, for d. Frames that follow
// overtake it. A frame still held up when its connection ends is lost.
func Delay(d time.Duration) Pause { return Pause{d} }

// String names the action, as the history does.
func (p Pause) String() string { return "delay " + p.d.String() }

func (p Pause) send(o *outgoing)      { o.delay += p.d }
func (p Pause) receive(in *arrival)   { in.delay += p.d }
func (p Pause) dial(d *wsserver.Dial) { d.Delay += p.d }

// Loss is made by Lose.
type Loss struct{}

// Lose makes a frame vanish. An EVENT counts as delivered all the same, and
// comes again after its visibility time-out; an ACK_EVENT is as never sent.
func Lose() Loss { return Loss{} }

// String names the action, as the history does.
func (Loss) String() string { return "lose" }

func (Loss) send(o *outgoing)    { o.lost = true }
func (Loss) receive(in *arrival) { in.lost = true }

// edit is a SendAction with a name.
type edit struct {
	name  string
	apply func(*outgoing)
}

func (e edit) String() string   { return e.name }
func (e edit) send(o *outgoing) { e.apply(o) }

// Duplicate sends the same message, with the same receipt, n more times.
func Duplicate(n int) SendAction {
	return edit{fmt.Sprintf("duplicate %d", n), func(o *outgoing) { o.copies += max(n, 0) }}
}

// Fragment sends the message in n frames, with a control ping between each
// two. Less than 1 counts as 1.
func Fragment(n int) SendAction {
	return edit{fmt.Sprintf("fragment %d", n), func(o *outgoing) { o.fragments = max(n, 1) }}
}

// Cut sends the first n bytes of the frame, its header included, and drops the
// connection. When the frame is shorter all of it is sent.
func Cut(n int) SendAction {
	return edit{fmt.Sprintf("cut %d", n), func(o *outgoing) { o.cut = max(n, 0) }}
}

// Rewrite sends what f makes of the message instead; f must not keep the slice
// nor change it.
func Rewrite(f func(message []byte) []byte) SendAction {
	return edit{"rewrite", func(o *outgoing) { o.data = f(o.data) }}
}

// Replace sends data instead of the message.
func Replace(data []byte) SendAction {
	data = bytes.Clone(data)
	return edit{"replace", func(o *outgoing) { o.data = data }}
}

// Corrupt flips the lowest bit of the byte at offset; a negative offset counts
// from the end. An offset outside of the message is taken as 0. Corrupt(0)
// makes every frame unreadable.
func Corrupt(offset int) SendAction {
	return edit{fmt.Sprintf("corrupt %d", offset), func(o *outgoing) {
		at := offset
		if at < 0 {
			at += len(o.data)
		}
		if at < 0 || at >= len(o.data) {
			at = 0
		}
		if o.data = bytes.Clone(o.data); len(o.data) > 0 {
			o.data[at] ^= 1
		}
	}}
}

// InvalidUTF8 puts the byte 0xff into the first id of the frame: the eventId of
// an EVENT, the receiptId or correlationId of the others.
func InvalidUTF8() SendAction {
	return edit{"invalid UTF-8", func(o *outgoing) {
		at := len(o.data)
		if i := bytes.Index(o.data, []byte(`Id":"`)); i >= 0 {
			at = i + len(`Id":"`)
		}
		o.data = bytes.Join([][]byte{o.data[:at], o.data[at:]}, []byte{0xff})
	}}
}

// Binary sends the message as a binary one.
func Binary() SendAction {
	return edit{"binary", func(o *outgoing) { o.op = wsserver.Binary }}
}

// WrongID answers with an id that the client never sent: a PONG with another
// correlationId, an ACK_EVENT_REPLY with another receipt. An EVENT gets a
// receipt that the server does not know.
func WrongID() SendAction {
	return edit{"wrong id", func(o *outgoing) {
		switch o.kind {
		case Pongs:
			o.data = pong([]byte(`"nobody-sent-this"`))
		case Replies:
			o.data = reply("nobody-sent-this")
		case Events:
			o.data = bytes.Replace(o.data, []byte(o.moment.Receipt), []byte("nobody-knows-this"), 1)
		}
	}}
}

// NoPayload sends the frame without its framePayload.
func NoPayload() SendAction {
	return edit{"no payload", func(o *outgoing) {
		o.data = fmt.Appendf(nil, `{"frameType":%s}`, quote(string(o.kind)))
	}}
}
