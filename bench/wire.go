package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// The server speaks RFC 6455 by hand, on the bare connection, so that it costs
// as little as possible beside the client that is measured.

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// upgrade answers the WebSocket handshake on conn, and returns the queue that
// it names, if any.
func upgrade(conn net.Conn) (queue string, err error) {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return "", fmt.Errorf("handshake: %w", err)
	}
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	return req.URL.Query().Get("queue"), err
}

// appendHeader appends the header of an unmasked, unfragmented frame.
func appendHeader(b []byte, op byte, length int) []byte {
	b = append(b, 0x80|op)
	if length < 126 {
		return append(b, byte(length))
	}
	return binary.BigEndian.AppendUint16(append(b, 126), uint16(length))
}

func appendFrame(b []byte, op byte, parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b = appendHeader(b, op, n)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// frames reads the client's frames off a connection, as many at a time as
// have come in.
type frames struct {
	conn       io.Reader
	buf        []byte
	start, end int
}

var errFragmented = errors.New("the client sent a fragmented or oversized message")

// fill blocks until more bytes came in.
func (f *frames) fill() error {
	if f.start > 0 {
		f.end = copy(f.buf, f.buf[f.start:f.end])
		f.start = 0
	}
	if f.end == len(f.buf) {
		return errFragmented
	}
	n, err := f.conn.Read(f.buf[f.end:])
	f.end += n
	return err
}

// next returns the next frame that has come in entirely. Its payload is valid
// until fill.
func (f *frames) next() (op byte, payload []byte, ok bool, err error) {
	b := f.buf[f.start:f.end]
	if len(b) < 6 {
		return 0, nil, false, nil
	}
	op = b[0] & 0x0f
	if b[0]&0x80 == 0 || b[1]&0x80 == 0 {
		return 0, nil, false, errFragmented
	}
	length, head := int(b[1]&0x7f), 2
	if length == 126 {
		length, head = int(binary.BigEndian.Uint16(b[2:])), 4
	} else if length == 127 {
		return 0, nil, false, errFragmented
	}
	if len(b) < head+4+length {
		return 0, nil, false, nil
	}
	mask := binary.LittleEndian.Uint32(b[head:])
	payload = b[head+4 : head+4+length]
	f.start += head + 4 + length
	unmask(payload, mask)
	return op, payload, true, nil
}

func unmask(p []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(key >> (8 * (i & 3)))
	}
}
