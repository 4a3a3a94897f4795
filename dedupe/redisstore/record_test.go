package redisstore_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/dedupe/redisstore"
)

const token = "00112233445566778899aabbccddeeff"

// values are records, and things that could be mistaken for one.
var values = []struct {
	value string
	ok    bool
}{
	{"1P:" + token + ":1:0:86400000:", true},
	{"1P:" + token + ":12:3:0:ffffffffffffffff", true},
	{"1F:4:2:8000000000000009", true},
	{"1F:1:0:", true},
	{"1D:0:", true},
	{"1D:3:7", true},
	{"", false},
	{"1", false},
	{"1D", false},
	{"1D:", false},
	{"1D::", false},
	{"1D:0", false},
	{"1D:0:x", false},
	{"1D:-1:", false},
	{"1D:0::", false},
	{"1D:256:", false},
	{"2D:0:", false},
	{"done", false},
	{"1P:" + token + ":0:0:1:", false},
	{"1P:" + strings.ToUpper(token) + ":1:0:1:", false},
	{"1P:" + token[1:] + ":1:0:1:", false},
	{"1P:" + token + ":1:0:1:0:", false},
	{"1P:" + token + ":9999999999999999999:0:1:", false},
	{"1F:1:0", false},
	{"1F:1:0:0", false},
	{"1F:1:0:0a", false},
	{"1F:1:0:A", false},
	{"1F:0:0:", false},
	{"1D:0:\n", false},
}

func TestRecordsAreReadStrictly(t *testing.T) {
	for _, v := range values {
		again, err := redisstore.Parse(v.value)
		if v.ok && (err != nil || again != v.value) {
			t.Errorf("%q is read as %q, %v", v.value, again, err)
		}
		if !v.ok {
			if _, typed := errors.AsType[*redisstore.RecordError](err); !typed || !errors.Is(err, dedupe.ErrUnavailable) {
				t.Errorf("%q: %v, want a *RecordError that wraps ErrUnavailable", v.value, err)
			}
		}
	}
}

func TestRecordErrorsAreShort(t *testing.T) {
	_, err := redisstore.Parse(strings.Repeat("secret\n", 1000))
	if err == nil || len(err.Error()) > 200 || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}

// What is read is what was written: no two values mean the same.
func FuzzRecord(f *testing.F) {
	for _, v := range values {
		f.Add(v.value)
	}
	f.Fuzz(func(t *testing.T, v string) {
		again, err := redisstore.Parse(v)
		if err == nil && again != v {
			t.Errorf("%q is read as %q", v, again)
		}
	})
}
