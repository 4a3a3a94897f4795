package wsserver

import "encoding/binary"

// Opcodes of RFC 6455, section 5.2.
const (
	Continuation = 0x0
	Text         = 0x1
	Binary       = 0x2
	Ping         = 0x9

	closeFrame = 0x8
	finBit     = 0x80
)

// Close codes of RFC 6455, section 7.4.1, that are never on the wire.
const (
	CodeNone     = 1005 // a close frame without a code
	CodeAbnormal = 1006 // no close frame
)

// AppendFrame appends an unmasked frame with the parts in it; fin marks the
// last frame of a message.
func AppendFrame(buf []byte, op byte, fin bool, parts ...[]byte) []byte {
	n := 0
	for _, part := range parts {
		n += len(part)
	}
	if fin {
		op |= finBit
	}
	switch {
	case n < 126:
		buf = append(buf, op, byte(n))
	case n < 1<<16:
		buf = binary.BigEndian.AppendUint16(append(buf, op, 126), uint16(n))
	default:
		buf = binary.BigEndian.AppendUint64(append(buf, op, 127), uint64(n))
	}
	for _, part := range parts {
		buf = append(buf, part...)
	}
	return buf
}
