package pulsarws

// MalformedError is the Err of a Delivery that cannot be read as an event. Its
// Event holds the WebSocket message as it came in Payload. It is marked with
// eds.Permanent. Test for it with errors.As.
//
// A Delivery without a Receipt is of a message without a usable id, which
// nobody can acknowledge: to a Consumer it comes again on the next connection,
// to a Reader only if its position is still before it by then.
type MalformedError struct {
	// Reason says what is wrong. It quotes nothing of the message.
	Reason string
	// Size is the size of the WebSocket message in bytes. It is above the
	// length of the Payload when the message was over MaxMessageBytes.
	Size int64
}

func (e *MalformedError) Error() string { return "pulsarws: malformed message: " + e.Reason }
