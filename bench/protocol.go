package main

import (
	"encoding/json"
	"fmt"
)

// A protocol is what the server speaks with the client. An acknowledgement is
// ackPrefix, a receipt and ackSuffix, unless the client spells it otherwise.
type protocol struct {
	path string // of the endpoint, with its query

	// newEvent returns the text of an event, for stamp to put a number in. The
	// number is part of the receipt, which stands at receiptOffset.
	newEvent      func(size int, run uint32) ([]byte, error)
	stamp         func(text []byte, n int)
	receiptOffset int
	receiptLength int
	number        func(receipt []byte) (n int, ok bool)

	ackPrefix, ackSuffix string
	// read takes a message that is spelled otherwise: it returns the receipt,
	// or what the server says to a message without one.
	read func(message []byte) (receipt []byte, answer string, err error)
	// replyPrefix begins the answer to an acknowledgement, which goes on with
	// the receipt and ackSuffix; empty when there is none.
	replyPrefix string
}

// protocols by the name that Spec has. The first one has none.
var protocols = map[string]*protocol{"": &edsV2, "pulsar": &pulsar}

func (s Spec) protocol() *protocol { return protocols[s.Protocol] }

// receipt returns the receipt of an acknowledgement in the usual spelling; nil
// when the message is none.
func (p *protocol) receipt(message []byte) []byte {
	start := len(p.ackPrefix)
	end := start + p.receiptLength
	if len(message) != end+len(p.ackSuffix) || string(message[:start]) != p.ackPrefix || string(message[end:]) != p.ackSuffix {
		return nil
	}
	return message[start:end]
}

var edsV2 = protocol{
	path:          "/?queue=" + queueName,
	newEvent:      newEvent,
	receiptOffset: receiptOffset,
	receiptLength: idLength,
	number:        number,
	ackPrefix:     `{"frameType":"ACK_EVENT","framePayload":{"receiptId":"`,
	ackSuffix:     idSuffix,
	replyPrefix:   `{"frameType":"ACK_EVENT_REPLY","framePayload":{"receiptId":"`,
	stamp: func(text []byte, n int) {
		setNumber(text[eventOffset:], n)
		setNumber(text[receiptOffset:], n)
	},
	read: func(message []byte) (receipt []byte, answer string, err error) {
		var frame struct {
			FrameType    string
			FramePayload struct{ ReceiptID, CorrelationID string }
		}
		if err := json.Unmarshal(message, &frame); err != nil {
			return nil, "", fmt.Errorf("unreadable frame from the client: %w", err)
		}
		if frame.FrameType == "PING" {
			return nil, `{"frameType":"PONG","framePayload":{"correlationId":"` + frame.FramePayload.CorrelationID + idSuffix, nil
		}
		return []byte(frame.FramePayload.ReceiptID), "", nil
	},
}
