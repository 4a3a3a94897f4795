package pulsartest

import (
	"bytes"
	"fmt"
	"time"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// DialAction is what a fault does to a dial. A Breakage is one too.
type DialAction interface {
	fmt.Stringer
	dial(*wsserver.Dial)
}

// DeliverAction is what a fault does to a delivery. A Breakage is one too.
type DeliverAction interface {
	fmt.Stringer
	deliver(*outgoing)
}

// CommandAction is what a fault does to a command. A Breakage is one too.
type CommandAction interface {
	fmt.Stringer
	command(*incoming)
}

// outgoing is what the faults make of a delivery.
type outgoing struct {
	op        byte
	copies    int
	fragments int
	cut       int // the byte of the frame before which the connection drops; -1
	rewrites  []func([]byte) []byte
	lost      bool
	first     *wsserver.Breakage
}

func (o *outgoing) edited() bool {
	return o.op != wsserver.Text || o.copies != 1 || o.fragments != 1 || o.cut >= 0 || len(o.rewrites) > 0
}

// incoming is what the faults make of a command.
type incoming struct {
	delay time.Duration
	lost  bool
	fail  string // of a producer's message
	first *wsserver.Breakage
}

// Refusal is made by Refuse.
type Refusal struct{ answer wsserver.Refusal }

// Refuse answers a dial with an HTTP status instead of the upgrade.
func Refuse(status int) Refusal { return Refusal{wsserver.Refusal{Status: status}} }

// With adds a header to the answer, such as Retry-After or Location.
func (r Refusal) With(name, value string) Refusal { return Refusal{r.answer.With(name, value)} }

// String names the refusal, as the history does.
func (r Refusal) String() string { return fmt.Sprintf("refuse %d", r.answer.Status) }

func (r Refusal) dial(d *wsserver.Dial) { d.Refuse = &r.answer }

// Pause is made by Delay.
type Pause struct{ d time.Duration }

// Delay holds up a command, or the answer to a dial, for d. Commands that
// follow overtake it. One that is still held up when its connection ends is
// lost.
func Delay(d time.Duration) Pause { return Pause{d} }

// String names the action, as the history does.
func (p Pause) String() string { return "delay " + p.d.String() }

func (p Pause) dial(d *wsserver.Dial) { d.Delay += p.d }

func (p Pause) command(in *incoming) { in.delay += p.d }

// Loss is made by Lose.
type Loss struct{}

// Lose makes a delivery or a command vanish. The service counts the delivery
// all the same; the command is as never sent.
func Lose() Loss { return Loss{} }

// String names the action, as the history does.
func (Loss) String() string { return "lose" }

func (Loss) deliver(o *outgoing) { o.lost = true }

func (Loss) command(in *incoming) { in.lost = true }

// Failure is made by Fail.
type Failure struct{ text string }

// Fail answers a producer's message with send-error:8, as when the broker took
// too long. It does nothing to other commands.
func Fail(text string) Failure { return Failure{text} }

// String names the action, as the history does.
func (Failure) String() string { return "fail" }

func (f Failure) command(in *incoming) { in.fail = f.text }

// edit is a DeliverAction with a name.
type edit struct {
	name  string
	apply func(*outgoing)
}

func (e edit) String() string { return e.name }

func (e edit) deliver(o *outgoing) { e.apply(o) }

// Duplicate delivers the same frame n more times, which the service counts as
// one delivery.
func Duplicate(n int) DeliverAction {
	return edit{fmt.Sprintf("duplicate %d", n), func(o *outgoing) { o.copies += max(n, 0) }}
}

// Fragment sends the envelope in n frames. Less than 1 counts as 1.
func Fragment(n int) DeliverAction {
	return edit{fmt.Sprintf("fragment %d", n), func(o *outgoing) { o.fragments = max(n, 1) }}
}

// Cut sends the first n bytes of the frame, its header included, and drops the
// connection. When the frame is shorter all of it is sent.
func Cut(n int) DeliverAction {
	return edit{fmt.Sprintf("cut %d", n), func(o *outgoing) { o.cut = max(n, 0) }}
}

// Rewrite sends what f makes of the envelope instead; f may change the slice.
// It is called with the server's lock held.
func Rewrite(f func(envelope []byte) []byte) DeliverAction {
	return edit{"rewrite", func(o *outgoing) { o.rewrites = append(o.rewrites, f) }}
}

// Replace sends data instead of the envelope.
func Replace(data []byte) DeliverAction {
	data = bytes.Clone(data)
	return edit{"replace", func(o *outgoing) {
		o.rewrites = append(o.rewrites, func([]byte) []byte { return data })
	}}
}

// Binary sends the envelope as a binary message.
func Binary() DeliverAction {
	return edit{"binary", func(o *outgoing) { o.op = wsserver.Binary }}
}
