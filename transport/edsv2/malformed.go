package edsv2

// MalformedError is the Err of a Delivery that cannot be read as an event but
// has a receipt. Its Event holds the frame as it came in Payload. It is marked
// with eds.Permanent. Test for it with errors.As.
type MalformedError struct {
	// Reason says what is wrong. It quotes nothing of the frame.
	Reason string
	// Size is the size of the frame in bytes. It is above the length of the
	// Payload when the frame was over MaxEventBytes.
	Size int64
}

func (e *MalformedError) Error() string { return "edsv2: malformed event: " + e.Reason }
