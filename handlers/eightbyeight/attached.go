package eightbyeight

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// AttachedData are the pairs of key and value that travel with an interaction,
// in the order in which they came. The keys depend on the medium, on the
// configuration and on the customer.
type AttachedData []AttachedDatum

// AttachedDatum is one pair. The value is of any type, and its own methods are
// those of the type that it is converted to, as in Millis(d.Value).Time().
type AttachedDatum struct {
	Key   Text `json:"attachedDataKey"`
	Value Text `json:"attachedDataValue"`
}

// Lookup returns the value of the first pair with key.
func (d AttachedData) Lookup(key string) (Text, bool) {
	for i := range d {
		if string(d[i].Key) == key {
			return d[i].Value, true
		}
	}
	return "", false
}

// Text returns the value of key; "" when there is none. Phone numbers are text:
// what stands in them is digit by digit what came.
func (d AttachedData) Text(key string) Text { v, _ := d.Lookup(key); return v }

// Number returns the value of key as one.
func (d AttachedData) Number(key string) Number { return Number(d.Text(key)) }

// Bool returns the value of key as one.
func (d AttachedData) Bool(key string) Bool { return Bool(d.Text(key)) }

// Seconds returns the value of key as one, such as that of KeyTim.
func (d AttachedData) Seconds(key string) Seconds { return Seconds(d.Text(key)) }

// Millis returns the value of key as one, such as that of KeyCallAnsweredTime.
func (d AttachedData) Millis(key string) Millis { return Millis(d.Text(key)) }

// Nanos returns the value of key as one, such as that of
// KeyCreateInteractionTimestampNanos.
func (d AttachedData) Nanos(key string) Nanos { return Nanos(d.Text(key)) }

// Elapsed returns the value of key as one, such as that of KeyCallDuration.
func (d AttachedData) Elapsed(key string) Elapsed { return Elapsed(d.Text(key)) }

// QueueID returns the number of the queue that KeyQueue names; "" when it names
// none.
func (d AttachedData) QueueID() Number { return QueueNumber(d.Text(KeyQueue)) }

// TransactionCodes returns what the agent chose at wrap-up, from
// KeyTransactionCodes. Pairs that cannot be read are left out.
func (d AttachedData) TransactionCodes() []TransactionCode {
	var codes []TransactionCode
	for pair := range strings.SplitSeq(string(d.Text(KeyTransactionCodes)), ",") {
		if list, item, ok := strings.Cut(strings.TrimSpace(pair), "|"); ok {
			codes = append(codes, TransactionCode{Number(list), Number(item)})
		}
	}
	return codes
}

// TransactionCode is an item of a transaction code list of the tenant's.
type TransactionCode struct{ List, Item Number }

// UnmarshalJSONFrom takes the form of the samples, an object with an array
// attachedDatum, and what else may stand in its place: one pair instead of the
// array, the array without the object, and "" for nothing. What it cannot read
// it leaves out.
func (d *AttachedData) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*d = nil
	if dec.PeekKind() != '{' {
		return d.list(dec)
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	var lone AttachedDatum
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		switch name.String() {
		case "attachedDatum":
			err = d.list(dec)
		case "attachedDataKey":
			err = json.UnmarshalDecode(dec, &lone.Key)
		case "attachedDataValue":
			err = json.UnmarshalDecode(dec, &lone.Value)
		default:
			err = dec.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	if lone.Key != "" {
		*d = append(*d, lone)
	}
	_, err := dec.ReadToken()
	return err
}

// list reads an array of pairs, or one pair.
func (d *AttachedData) list(dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case '{':
		var one AttachedDatum
		err := json.UnmarshalDecode(dec, &one)
		if one.Key != "" {
			*d = append(*d, one)
		}
		return err
	case '[':
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
		for dec.PeekKind() != ']' {
			if dec.PeekKind() == '[' { // no pair, and no list of them
				if err := dec.SkipValue(); err != nil {
					return err
				}
				continue
			}
			if err := d.list(dec); err != nil {
				return err
			}
		}
		_, err := dec.ReadToken()
		return err
	}
	return dec.SkipValue()
}
