package sim

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"slices"
)

// readHead reads the head of an HTTP message.
func readHead(in *bufio.Reader) ([]byte, error) {
	var head []byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		line, err := in.ReadSlice('\n')
		head = append(head, line...)
		if err != nil {
			return nil, err
		}
	}
	return head, nil
}

// readFrame returns a frame as it came, and its text when it is a whole text
// message.
func readFrame(in *bufio.Reader) (raw, text []byte, err error) {
	raw = make([]byte, 2, 512)
	if _, err := io.ReadFull(in, raw); err != nil {
		return nil, nil, err
	}
	more := func(n int) ([]byte, error) {
		raw = slices.Grow(raw, n)[:len(raw)+n]
		part := raw[len(raw)-n:]
		_, err := io.ReadFull(in, part)
		return part, err
	}
	size := int(raw[1] & 0x7f)
	switch size {
	case 126:
		b, err := more(2)
		if err != nil {
			return nil, nil, err
		}
		size = int(binary.BigEndian.Uint16(b))
	case 127:
		b, err := more(8)
		if err != nil {
			return nil, nil, err
		}
		size = int(binary.BigEndian.Uint64(b))
	}
	masked := raw[1]&0x80 != 0
	var mask [4]byte
	if masked {
		b, err := more(4)
		if err != nil {
			return nil, nil, err
		}
		copy(mask[:], b)
	}
	payload, err := more(size)
	if err != nil {
		return nil, nil, err
	}
	if raw[0] != 0x81 { // final, no extension, text
		return raw, nil, nil
	}
	text = slices.Clone(payload)
	if masked {
		for i := range text {
			text[i] ^= mask[i%4]
		}
	}
	return raw, text, nil
}
