package edsv2

import "unicode/utf8"

func appendAck(dst []byte, receipt string) []byte {
	dst = append(dst, `{"frameType":"ACK_EVENT","framePayload":{"receiptId":`...)
	dst = appendString(dst, receipt)
	return append(dst, `}}`...)
}

// The vendor's pages show pings with and without a correlation id; one with it
// satisfies both.
func appendPing(dst []byte, correlation string) []byte {
	dst = append(dst, `{"frameType":"PING","framePayload":{"correlationId":`...)
	dst = appendString(dst, correlation)
	return append(dst, `}}`...)
}

// appendString appends the JSON form of s.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size - 1
				continue
			}
			dst = append(append(dst, s[start:i]...), "\ufffd"...)
			start = i + 1
			continue
		}
		dst = append(dst, s[start:i]...)
		if c == '"' || c == '\\' {
			dst = append(dst, '\\', c)
		} else {
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		start = i + 1
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
