package eightbyeight_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	. "github.com/eventdelivery/eds-go/handlers/eightbyeight"
)

// wobble has a field of each type, as an application may have one of its own.
type wobble struct {
	T Text    `json:"t"`
	N Number  `json:"n"`
	B Bool    `json:"b"`
	S Seconds `json:"s"`
	M Millis  `json:"m"`
	E Elapsed `json:"e"`
}

func same(json string) string {
	return `{"t":` + json + `,"n":` + json + `,"b":` + json + `,"s":` + json + `,"m":` + json + `,"e":` + json + `}`
}

// What comes stays, whatever quotes it has.
func TestExactText(t *testing.T) {
	for json, want := range map[string]string{
		`null`: "", `""`: "", `"N/A"`: "N/A", `"0123"`: "0123", `0`: "0", `"0"`: "0", `-0`: "-0", `1.50`: "1.50", `1E3`: "1E3",
		`true`: "true", `"true"`: "true", `false`: "false", `"False"`: "False",
		`447799147855`: "447799147855", `"+15515550112"`: "+15515550112",
		`1744819217183000001`: "1744819217183000001", `123456789012345678901234567890`: "123456789012345678901234567890",
		`"a \"b\" \u00e9 \\"`: `a "b" é \`, `"\ud83d\ude00"`: "😀", `"null"`: "null",
		`{}`: `{}`, `[1,"a"]`: `[1,"a"]`, ` 7 `: "7",
	} {
		got := read[wobble](t, same(json))
		w := wobble{Text(want), Number(want), Bool(want), Seconds(want), Millis(want), Elapsed(want)}
		if *got != w {
			t.Errorf("%s: %+v, want %q", json, *got, want)
		}
	}
}

func TestMissingIsAbsent(t *testing.T) {
	var zero wobble
	if got := read[wobble](t, `{"x":1}`); *got != zero {
		t.Errorf("%+v", *got)
	}
	if _, err := zero.N.Int64(); !errors.Is(err, ErrAbsent) || zero.N.Valid() {
		t.Errorf("%v", err)
	}
	if yes, ok := zero.B.Value(); yes || ok || zero.B.True() || zero.B.Valid() {
		t.Error("a missing Bool says something")
	}
	if !zero.S.Time().IsZero() || !zero.M.Time().IsZero() || !Nanos("").Time().IsZero() || zero.S.Valid() || zero.M.Valid() || Nanos("").Valid() {
		t.Error("a missing moment is one")
	}
	if _, ok := zero.E.Duration(); ok || zero.E.Valid() {
		t.Error("a missing duration is one")
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[Number]int64{
		"0": 0, "-0": 0, "1162": 1162, "0123": 123, "50.0": 50, " 7 ": 7, "-3": -3,
		"9223372036854775807": 1<<63 - 1, "-9223372036854775808": -1 << 63, "1744819217183000001": 1744819217183000001,
	} {
		if got, err := n.Int64(); err != nil || got != want || !n.Valid() {
			t.Errorf("%q: %d, %v", n, got, err)
		}
	}
	for _, n := range []Number{"N/A", "true", "1.5", "1e3", "9223372036854775808", "0x10", "1_000", "{}", "50.", ".0", " "} {
		if got, err := n.Int64(); !errors.Is(err, ErrNotNumber) || got != 0 || n.Valid() {
			t.Errorf("%q: %d, %v", n, got, err)
		}
	}
}

func TestBool(t *testing.T) {
	for b, want := range map[Bool]bool{
		"true": true, "TRUE": true, "yes": true, "Yes": true, "1": true, " true ": true,
		"false": false, "no": false, "NO": false, "0": false,
	} {
		if yes, ok := b.Value(); yes != want || !ok || b.True() != want || !b.Valid() {
			t.Errorf("%q: %v, %v", b, yes, ok)
		}
	}
	for _, b := range []Bool{"resume", "2", "on", "-1", "{}", "N/A"} {
		if yes, ok := b.Value(); yes || ok || b.True() {
			t.Errorf("%q: %v, %v", b, yes, ok)
		}
	}
}

func TestMomentsAreNever1970(t *testing.T) {
	for _, text := range []string{"", "0", "-1", "N/A", "true", "1e9", "99999999999999999999", "{}"} {
		if at := Seconds(text).Time(); !at.IsZero() {
			t.Errorf("seconds %q: %v", text, at)
		}
		if at := Millis(text).Time(); !at.IsZero() {
			t.Errorf("milliseconds %q: %v", text, at)
		}
		if at := Nanos(text).Time(); !at.IsZero() {
			t.Errorf("nanoseconds %q: %v", text, at)
		}
	}
	want := time.Date(2025, 4, 16, 16, 0, 17, 183e6, time.UTC)
	if got := Millis("1744819217183").Time(); !got.Equal(want) || got.Location() != time.UTC {
		t.Error(got)
	}
	if got := Seconds("1744819217").Time(); !got.Equal(want.Truncate(time.Second)) {
		t.Error(got)
	}
	// Beyond what a float64 can tell apart.
	if got := Nanos("1744819217183000001").Time(); !got.Equal(want.Add(1)) {
		t.Error(got)
	}
}

func TestElapsed(t *testing.T) {
	for e, want := range map[Elapsed]time.Duration{
		"00:00:00": 0, "00:03:07": 187 * time.Second, "1:00:00": time.Hour, "27:59:59": 28*time.Hour - time.Second, " 00:00:01 ": time.Second,
		"1000000:00:00": 1_000_000 * time.Hour,
	} {
		if got, ok := e.Duration(); !ok || got != want || !e.Valid() {
			t.Errorf("%q: %v, %v", e, got, ok)
		}
	}
	for _, e := range []Elapsed{"187", "03:07", "00:60:00", "00:00:60", "-1:00:00", "a:b:c", "1:2:3:4", "::", "1000001:00:00", "99999999999999999999:00:00"} {
		if got, ok := e.Duration(); ok || got != 0 {
			t.Errorf("%q: %v", e, got)
		}
	}
}

func TestAttachedDataKeepsDigits(t *testing.T) {
	got := read[InteractionCreated](t, `{"Interaction":{"attachedData":{"attachedDatum":[
		{"attachedDataKey":"phoneNum","attachedDataValue":447799147855123456789},
		{"attachedDataKey":"createInteractionTimestampNanos","attachedDataValue":"1744819217183000001"},
		{"attachedDataKey":"callAnsweredTime","attachedDataValue":1744819217183},
		{"attachedDataKey":"tim","attachedDataValue":"1744819217"},
		{"attachedDataKey":"callDuration","attachedDataValue":"00:03:07"},
		{"attachedDataKey":"chaletChat","attachedDataValue":"true"},
		{"attachedDataKey":"retry_count","attachedDataValue":"2"},
		{"attachedDataKey":"tclSelectedItems","attachedDataValue":"5|12, 6|45,,x"},
		{"attachedDataKey":"phoneNum","attachedDataValue":"another"}]}}}`).AttachedData
	if v := got.Text(KeyPhoneNum); v != "447799147855123456789" {
		t.Errorf("phone %q", v)
	}
	at := time.Date(2025, 4, 16, 16, 0, 17, 183e6, time.UTC)
	if v := got.Nanos(KeyCreateInteractionTimestampNanos).Time(); !v.Equal(at.Add(1)) {
		t.Error(v)
	}
	if v := got.Millis(KeyCallAnsweredTime).Time(); !v.Equal(at) {
		t.Error(v)
	}
	if v := got.Seconds(KeyTim).Time(); !v.Equal(at.Truncate(time.Second)) {
		t.Error(v)
	}
	if v, ok := got.Elapsed(KeyCallDuration).Duration(); !ok || v != 187*time.Second {
		t.Error(v)
	}
	if n, err := got.Number(KeyRetryCount).Int64(); err != nil || n != 2 || !got.Bool(KeyChaletChat).True() {
		t.Error(n, err)
	}
	if codes := got.TransactionCodes(); !reflect.DeepEqual(codes, []TransactionCode{{"5", "12"}, {"6", "45"}}) {
		t.Error(codes)
	}
	if v, ok := got.Lookup("unheard"); ok || v != "" || AttachedData(nil).TransactionCodes() != nil {
		t.Errorf("%q", v)
	}
}
