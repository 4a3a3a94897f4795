package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// Tenant is what every handler decodes the payload into.
type Tenant struct {
	TenantID       string    `json:"tenantId"`
	EmpegoTenantID string    `json:"empegoTenantId"`
	Plan           string    `json:"plan"`
	Seats          int       `json:"seats"`
	Address        Address   `json:"address"`
	Contacts       []Contact `json:"contacts,omitempty"`
	Note           string    `json:"note,omitempty"`
}

// Address is the nested object of a small payload.
type Address struct {
	City string `json:"city"`
	Zip  string `json:"zip"`
}

// Contact is what a large payload has many of.
type Contact struct {
	ID     int64    `json:"id"`
	Name   string   `json:"name"`
	Email  string   `json:"email"`
	Phone  string   `json:"phone"`
	Roles  []string `json:"roles,omitempty"`
	Active bool     `json:"active"`
	Share  float64  `json:"share"`
}

const (
	eventType = "TENANT_ONBOARDED"
	queueName = "my-integration-queue"

	// The places of the numbers in an event frame. Ids look like UUIDs; their
	// last twelve digits count the events of a connection.
	eventPrefix = `{"frameType":"EVENT","framePayload":{"eventId":"`
	eventMiddle = `","eventType":"` + eventType + `","receiptId":"`
	eventOffset = len(eventPrefix)
	idLength    = 36

	// receiptOffset is where the receipt stands in every event frame.
	receiptOffset = eventOffset + idLength + len(eventMiddle)

	idSuffix = `"}}`
)

// newEvent returns the text of an event of exactly size bytes whose ids end in
// twelve zeros, for setNumber to fill in. The first digits of its event id are
// run, so that no two runs share an event.
func newEvent(size int, run uint32) ([]byte, error) {
	return fitted(size, func(t Tenant) []byte { return eventText(t, run) })
}

// fitted returns the text of exactly size bytes of a Tenant with as many
// contacts as that takes.
func fitted(size int, textOf func(Tenant) []byte) ([]byte, error) {
	t := Tenant{
		TenantID: "P0001", EmpegoTenantID: "tenant-abc", Plan: "pro", Seats: 25,
		Address: Address{City: "Berlin", Zip: "10115"},
	}
	text := textOf(t)
	for {
		larger := t
		n := int64(len(t.Contacts))
		contact := Contact{
			ID: 900100 + n, Name: "Ada Lovelace", Email: fmt.Sprintf("ada%02d@example.com", n),
			Phone: "+49 30 901820", Active: n%3 != 0, Share: 12.5 + float64(n),
		}
		if n%8 == 0 {
			contact.Roles = []string{"admin", "billing"}
		}
		larger.Contacts = append(t.Contacts[:n:n], contact)
		next := textOf(larger)
		if len(next)+len(`,"note":""`) > size {
			break
		}
		t, text = larger, next
	}
	if missing := size - len(text); missing > 0 {
		t.Note = strings.Repeat("n", max(missing-len(`,"note":""`), 1))
		text = textOf(t)
	}
	if len(text) != size {
		return nil, fmt.Errorf("no event of %d bytes: the nearest has %d", size, len(text))
	}
	return text, nil
}

func tenantText(t Tenant) []byte {
	text, err := json.Marshal(t)
	if err != nil {
		panic(err) // a Tenant always marshals
	}
	return text
}

func eventText(t Tenant, run uint32) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s%08x-0000-4000-8000-000000000000%s%s", eventPrefix, run, eventMiddle, receiptID(0))
	fmt.Fprintf(&b, `","eventTs":"2026-03-20T14:30:00.000Z","queueName":"%s","eventPayload":%s}}`, queueName, tenantText(t))
	return b.Bytes()
}

func receiptID(n int) string { return fmt.Sprintf("7d3f9a10-5c2e-4b61-9d08-%012x", n) }

// setNumber writes n into the last twelve digits of the id that ends id.
func setNumber(id []byte, n int) {
	var digits [12]byte
	hex.Encode(digits[:], []byte{byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	copy(id[idLength-len(digits):idLength], digits[:])
}

// number reads it back.
func number(id []byte) (int, bool) {
	if len(id) != idLength {
		return 0, false
	}
	n := 0
	for _, c := range id[idLength-12:] {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | int(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | int(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, string(id[:idLength-12]) == receiptPrefix
}

var receiptPrefix = receiptID(0)[:idLength-12]
