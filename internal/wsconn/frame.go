package wsconn

import "encoding/binary"

// frameSize returns how long the frame is that b begins with, header included;
// false as long as the header is not complete. See RFC 6455, section 5.2. It
// judges nothing: that is the WebSocket's part.
func frameSize(b []byte) (size int64, ok bool) {
	if len(b) < 2 {
		return 0, false
	}
	header := 2
	if b[1]&0x80 != 0 {
		header += 4 // masking key
	}
	payload := uint64(b[1] & 0x7f)
	switch payload {
	case 126:
		if header += 2; len(b) < header {
			return 0, false
		}
		payload = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if header += 8; len(b) < header {
			return 0, false
		}
		payload = binary.BigEndian.Uint64(b[2:])
		// The WebSocket refuses what has the highest bit set when it sees it.
		payload = min(payload, 1<<62)
	}
	return int64(header) + int64(payload), len(b) >= header
}
