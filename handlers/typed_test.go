package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers"
	"github.com/eventdelivery/eds-go/internal/faults"
)

// decode runs payload through Typed and returns what the function got.
func decode[T any](t *testing.T, payload string, opts ...handlers.Option) (T, error) {
	t.Helper()
	var got T
	calls := 0
	h := handlers.Typed(func(_ context.Context, v T) error { got, calls = v, calls+1; return nil }, opts...)
	event := &eds.Event{ID: "1", Payload: []byte(payload)}
	if payload == "" {
		event.Payload = nil
	}
	err := h(t.Context(), event)
	if string(event.Payload) != payload {
		t.Errorf("the payload was changed")
	}
	if (err == nil) != (calls == 1) {
		t.Errorf("%d calls of the function, error %v", calls, err)
	}
	return got, err
}

type invoice struct {
	ID      string          `json:"id"`
	Amount  json.Number     `json:"amount"`
	Cents   int64           `json:"cents,string"`
	Count   int8            `json:"count"`
	At      time.Time       `json:"at"`
	For     time.Duration   `json:"for"`
	Big     *big.Int        `json:"big"`
	Raw     json.RawMessage `json:"raw"`
	Host    netip.Addr      `json:"host"`
	Lines   []line          `json:"lines"`
	Labels  map[string]int  `json:"labels"`
	Bytes   []byte          `json:"bytes"`
	Any     any             `json:"any"`
	Private string          `json:"-"`
	NoTag   string
	Fold    string `json:"fold,case:ignore"`
	embedded
}

type embedded struct {
	Inner string `json:"inner"`
}

type line struct {
	SKU string `json:"sku"`
	N   int    `json:"n"`
}

func TestTypedDecodesWhatUsersOfEncodingJSONExpect(t *testing.T) {
	got, err := decode[invoice](t, `{
		"id":"\u0041 b", "amount":12345678901234567890.10, "cents":"9007199254740993", "count":-128,
		"at":"2026-03-20T14:30:00.5+01:00", "for":1500000000, "big":123456789012345678901234567890,
		"raw":{"x": 1.0}, "host":"10.0.0.1", "lines":[{"sku":"A","n":1}], "labels":{"x":1}, "bytes":"AAE=",
		"any":{"n":9007199254740993,"list":[1e400,-0,true,null,"s"]}, "Private":"p", "NoTag":"n", "FOLD":"f",
		"inner":"i", "unknown":{"deep":[1]}}`)
	if err != nil {
		t.Fatal(err)
	}
	bigInt, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	want := invoice{
		ID: "A b", Amount: "12345678901234567890.10", Cents: 9007199254740993, Count: -128,
		At:  time.Date(2026, 3, 20, 14, 30, 0, 5e8, time.FixedZone("", 3600)),
		For: 1500 * time.Millisecond, Big: bigInt, Raw: json.RawMessage(`{"x": 1.0}`), Host: netip.MustParseAddr("10.0.0.1"),
		Lines: []line{{"A", 1}}, Labels: map[string]int{"x": 1}, Bytes: []byte{0, 1},
		Any: map[string]any{"n": json.Number("9007199254740993"),
			"list": []any{json.Number("1e400"), json.Number("-0"), true, nil, "s"}},
		NoTag: "n", Fold: "f", embedded: embedded{"i"},
	}
	if !got.At.Equal(want.At) {
		t.Errorf("time %v, want %v", got.At, want.At)
	}
	got.At = want.At
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

func TestTypedKeepsBigNumbersExact(t *testing.T) {
	type holder struct {
		N any `json:"n"`
	}
	const digits = "9007199254740993"
	for name, got := range map[string]any{
		"any":               must(decode[any](t, digits)),
		"map":               must(decode[map[string]any](t, `{"n":`+digits+`}`))["n"],
		"slice":             must(decode[[]any](t, `[`+digits+`]`))[0],
		"field":             must(decode[holder](t, `{"n":`+digits+`}`)).N,
		"pointer_to_struct": must(decode[*holder](t, `{"n":`+digits+`}`)).N,
		"map_of_structs":    must(decode[map[string][]holder](t, `{"a":[{"n":`+digits+`}]}`))["a"][0].N,
		"number":            must(decode[json.Number](t, digits)),
	} {
		if got != json.Number(digits) {
			t.Errorf("%s: %T %v", name, got, got)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Differences from encoding/json, as the comment of Typed lists them.
func TestTypedIsStricterThanEncodingJSON(t *testing.T) {
	for name, payload := range map[string]string{
		"name_twice":           `{"id":"a","id":"b"}`,
		"name_twice_deep":      `{"unknown":{"a":1,"a":2}}`,
		"invalid_utf8":         "{\"id\":\"\xff\"}",
		"number_in_a_string":   `{"count":"1"}`,
		"string_in_a_number":   `{"id":1}`,
		"number_as_cents":      `{"cents":1}`,
		"string_as_amount":     `{"amount":"1"}`,
		"trailing_data":        `{"id":"a"} {}`,
		"ends_early":           `{"id":"a"`,
		"wrong_shape":          `[1]`,
		"out_of_range":         `{"count":128}`,
		"fraction_for_integer": `{"count":1.5}`,
		"time_without_zone":    `{"at":"2026-03-20T14:30:00"}`,
	} {
		if _, err := decode[invoice](t, payload); !isDecodeError(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := decode[invoice](t, `{"ID":"a","Id":"b"}`); err != nil || got.ID != "" {
		t.Errorf("names must match in case: %+v, %v", got, err)
	}
}

func isDecodeError(err error) bool {
	_, ok := errors.AsType[*handlers.DecodeError](err)
	return ok && eds.IsPermanent(err)
}

func TestStrictRefusesUnknownMembers(t *testing.T) {
	if _, err := decode[line](t, `{"sku":"A","x":1}`); err != nil {
		t.Errorf("lenient: %v", err)
	}
	_, err := decode[line](t, `{"sku":"A","x":1}`, handlers.Strict())
	if !isDecodeError(err) || !strings.Contains(err.Error(), `unknown member "x"`) {
		t.Errorf("strict: %v", err)
	}
	type outer struct {
		Line line `json:"line"`
	}
	_, err = decode[outer](t, `{"line":{"y":1}}`, handlers.Strict())
	if !isDecodeError(err) || !strings.Contains(err.Error(), `at "/line"`) || !strings.Contains(err.Error(), `"y"`) {
		t.Errorf("strict, nested: %v", err)
	}
}

func TestPayloadsThatAreNullOrAbsent(t *testing.T) {
	for _, payload := range []string{"", "null", " null\n"} {
		if _, err := decode[line](t, payload); !isDecodeError(err) || !errors.Is(err, handlers.ErrNoPayload) {
			t.Errorf("%q into a struct: %v", payload, err)
		}
		if _, err := decode[string](t, payload); !errors.Is(err, handlers.ErrNoPayload) {
			t.Errorf("%q into a string: %v", payload, err)
		}
		if got, err := decode[*line](t, payload); got != nil || err != nil {
			t.Errorf("%q into a pointer: %v, %v", payload, got, err)
		}
		if got, err := decode[*validated](t, payload); got != nil || err != nil {
			t.Errorf("%q into a pointer with Validate: %v, %v", payload, got, err)
		}
		if got, err := decode[map[string]any](t, payload); got != nil || err != nil {
			t.Errorf("%q into a map: %v, %v", payload, got, err)
		}
		if got, err := decode[any](t, payload); got != nil || err != nil {
			t.Errorf("%q into any: %v, %v", payload, got, err)
		}
		if _, err := decode[struct{}](t, payload); err != nil {
			t.Errorf("%q into an empty struct: %v", payload, err)
		}
	}
	if _, err := decode[line](t, "nul"); !isDecodeError(err) || errors.Is(err, handlers.ErrNoPayload) {
		t.Errorf("no JSON counts as no payload: %v", err)
	}
}

var errRefused = errors.New("n must be positive")

type validated struct{ N int }

func (v validated) Validate() error {
	if v.N <= 0 {
		return errRefused
	}
	return nil
}

type validatedByPointer struct{ N int }

func (v *validatedByPointer) Validate() error { return (*(*validated)(v)).Validate() }

func TestValidate(t *testing.T) {
	check := func(name string, err error) {
		t.Helper()
		invalid, ok := errors.AsType[*handlers.ValidationError](err)
		if !ok || !eds.IsPermanent(err) || !errors.Is(err, errRefused) || isDecodeError(err) {
			t.Fatalf("%s: %v", name, err)
		}
		if !strings.Contains(err.Error(), invalid.Type) || !strings.Contains(err.Error(), errRefused.Error()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := decode[validated](t, `{"N":0}`)
	check("value", err)
	_, err = decode[validatedByPointer](t, `{"N":0}`)
	check("pointer receiver", err)
	_, err = decode[*validated](t, `{"N":0}`)
	check("T is a pointer", err)
	_, err = decode[*validatedByPointer](t, `{"N":0}`)
	check("T is a pointer, pointer receiver", err)
	for _, err := range []error{
		second(decode[validated](t, `{"N":1}`)), second(decode[validatedByPointer](t, `{"N":1}`)), second(decode[*validated](t, `{"N":1}`)),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestTypedEventHandsOnTheEvent(t *testing.T) {
	event := &eds.Event{ID: "7", Attempt: 3, Payload: []byte(`{"sku":"A"}`)}
	boom := errors.New("boom")
	h := handlers.TypedEvent(func(_ context.Context, e *eds.Event, l line) error {
		if e != event || l.SKU != "A" {
			t.Errorf("got %v, %v", e, l)
		}
		return boom
	})
	if err := h(t.Context(), event); err != boom {
		t.Errorf("the function's error is changed: %v", err)
	}
	bad := handlers.TypedEvent(func(context.Context, *eds.Event, line) error { panic("called") }, handlers.Strict())
	if err := bad(t.Context(), &eds.Event{Payload: []byte(`{"x":1}`)}); !isDecodeError(err) {
		t.Error(err)
	}
}

func TestNilFunctionMakesNoHandler(t *testing.T) {
	if handlers.Typed[int](nil) != nil || handlers.TypedEvent[int](nil) != nil {
		t.Error("New cannot see that there is no function")
	}
}

type refusing struct{}

func (*refusing) UnmarshalJSON(b []byte) error { return fmt.Errorf("cannot read %s", b) }

type refusingText struct{}

func (*refusingText) UnmarshalText(b []byte) error { return fmt.Errorf("cannot read %q", b) }

type everything struct {
	N      int8                  `json:"n"`
	F      float32               `json:"f"`
	S      string                `json:"s"`
	T      time.Time             `json:"t"`
	D      time.Duration         `json:"d"`
	B      []byte                `json:"b"`
	A      [2]int                `json:"a"`
	M      map[string]int        `json:"m"`
	K      map[int]string        `json:"k"`
	L      []line                `json:"l"`
	R      refusing              `json:"r"`
	X      refusingText          `json:"x"`
	H      netip.Addr            `json:"h"`
	Num    json.Number           `json:"num"`
	Q      int                   `json:"q,string"`
	Any    any                   `json:"any"`
	I      fmt.Stringer          `json:"i"`
	Nested map[string]everything `json:"nested"`
}

// No value of the payload, nor a key of a map, may come out in an error.
func TestErrorsDoNotQuoteThePayload(t *testing.T) {
	const canary = "s3cr3t-CANARY"
	payloads := []string{canary, `"` + canary + `"`, `{"` + canary + `"`, `["` + canary + `"]`, `{"n":` + canary + `}`,
		`{"m":{"` + canary + `":1,"` + canary + `":2}}`, `{"m":{"` + canary + `":"x"}}`, `{"nested":{"` + canary + `":{"n":"` + canary + `"}}}`,
		`{"n":7777777777}`, `{"f":7777777777e77}`, `{"k":{"` + canary + `":"a"}}`, `{"k":{"7777777777777777777777":"a"}}`,
		`{"l":[{"sku":7777777777}]}`, `{"a":[7777777777]}`, `{"q":"7777777777777777777777777"}`, `{"num":"` + canary + `"}`, `{"any":{"` + canary + `":{"a":1,"a":2}}}`, `{"any":[{"` + canary + `":1,"` + canary + `":2}]}`,
		`{"r":{"` + canary + `":{"a":1,"a":2}}}`, `{"unknown":{"` + canary + `":nul}}`, "{\"s\":\"" + canary + "\xff\"}"}
	for _, field := range []string{"n", "f", "t", "d", "b", "a", "m", "k", "l", "r", "x", "h", "num", "q", "i", "nested"} {
		payloads = append(payloads, `{"`+field+`":"`+canary+`"}`, `{"`+field+`":["`+canary+`"]}`, `{"`+field+`":{"`+canary+`":"`+canary+`"}}`,
			`{"`+field+`":7777777777777777777777.5}`)
	}
	for _, payload := range payloads {
		_, err := decode[everything](t, payload)
		if err == nil {
			if !strings.Contains(payload, `"s"`) && !strings.Contains(payload, `"f"`) && !strings.HasPrefix(payload, `{"num":7`) {
				t.Errorf("%s is accepted", payload)
			}
			continue
		}
		for ; err != nil; err = errors.Unwrap(err) {
			if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, canary) || strings.Contains(text, "77777") {
				t.Errorf("%s is quoted: %v", payload, err)
			}
		}
	}
}

func TestDecodeErrorNamesThePlace(t *testing.T) {
	for payload, want := range map[string]string{
		`{"l":[{"sku":"a"},{"sku":1}]}`: `handlers: payload is no handlers_test.everything, at "/l/1/sku" (offset 25): a number does not fit string`,
		`{"nested":{"k":{"n":300}}}`:    `handlers: payload is no handlers_test.everything, at "/nested/*/n" (offset 20): a number is out of range for int8`,
		`{"t":"yesterday"}`:             `handlers: payload is no handlers_test.everything, at "/t" (offset 5): a string is refused by time.Time`,
		`{"s":"a","s":"b"}`:             `handlers: payload is no handlers_test.everything, at "/s" (offset 9): a member occurs twice`,
		`{"s":`:                         `handlers: payload is no handlers_test.everything, at "/s" (offset 5): not valid JSON`,
		`[]`:                            `handlers: payload is no handlers_test.everything: an array does not fit handlers_test.everything`,
		``:                              `handlers: payload is no handlers_test.everything: there is no payload`,
	} {
		if _, err := decode[everything](t, payload); err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", payload, err, want)
		}
	}
}

// Whatever comes in: no panic, a permanent error or none, and agreement with
// encoding/json on what both accept.
func FuzzTyped(f *testing.F) {
	faults.Covers(f, "C12")
	for _, s := range []string{`{"n":1,"s":"x","l":[{"sku":"a","n":2}]}`, `{"any":[1,{"a":1e999}]}`, `null`, `{"m":{"a":1}}`, "\xff"} {
		f.Add([]byte(s))
	}
	type small struct {
		N   int8           `json:"n"`
		S   string         `json:"s"`
		M   map[string]int `json:"m"`
		L   []line         `json:"l"`
		Any any            `json:"any"`
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var got small
		h := handlers.Typed(func(_ context.Context, s small) error { got = s; return nil })
		err := h(t.Context(), &eds.Event{Payload: payload})
		if err != nil {
			if !isDecodeError(err) {
				t.Fatalf("not a permanent DecodeError: %v", err)
			}
			return
		}
		dec := json.NewDecoder(strings.NewReader(string(payload)))
		dec.UseNumber()
		var want small
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		// encoding/json folds case; where it found another field, both differ.
		again, _ := json.Marshal(want)
		ours, _ := json.Marshal(got)
		if string(again) != string(ours) && !foldedNames(payload) && !hasNull(payload) {
			t.Fatalf("%s\n got %s\nwant %s", payload, ours, again)
		}
	})
}

func foldedNames(payload []byte) bool {
	s := string(payload)
	return strings.ToLower(s) != s || strings.ContainsAny(s, `\`) || strings.ContainsRune(s, 'ſ')
}

func hasNull(payload []byte) bool { return strings.Contains(string(payload), "null") }
