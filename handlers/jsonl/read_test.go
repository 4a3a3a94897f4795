package jsonl

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/cloudevent"
)

func TestReadNamesTheBadLineAndGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	good := string(cloudevent.Append(nil, event("1")))
	big := event("big")
	big.Payload = []byte(`"` + strings.Repeat("x", 200<<10) + `"`)
	text := strings.Join([]string{good, "", "secret", "\r", string(cloudevent.Append(nil, big)), `{"id":1}`, good + "\r", good[:20]}, "\n")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	for e, err := range Read(path) {
		if err == nil {
			got = append(got, e.ID)
			continue
		}
		bad, ok := errors.AsType[*LineError](err)
		if !ok || bad.Path != path || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), path) {
			t.Fatalf("the error is %v", err)
		}
		got = append(got, "line "+string(rune('0'+bad.Line)))
	}
	if want := "1, line 3, big, line 6, 1, line 8"; strings.Join(got, ", ") != want {
		t.Errorf("read %q, want %q", got, want)
	}
	for range Read(path) {
		break // must not go on
	}
}

func TestReadWhatIsNotThere(t *testing.T) {
	for name, seq := range map[string]func(func(eds.Event, error) bool){
		"Read": Read("none.jsonl"), "ReadAll": ReadAll("none.jsonl"), "folder": ReadAll(filepath.Join("none", "x")),
	} {
		n := 0
		for _, err := range seq {
			if n++; !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d errors", name, n)
		}
	}
}

func TestReadAllWithoutACurrentFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	add(t, open(t, path), "1")
	if err := os.Rename(path, numbered(path, 12)); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, path, "1")
}

// A file that is renamed after ReadAll opened it is read once: both names
// are the same file then.
func TestReadAllMeetsARotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	add(t, open(t, path), "1")
	if err := os.Link(path, numbered(path, 1)); err != nil {
		t.Skip(err)
	}
	wantIDs(t, path, "1")
}

// repeated is a reader of n bytes that are all c.
type repeated struct {
	c byte
	n int
}

func (r *repeated) Read(p []byte) (int, error) {
	p = p[:min(len(p), r.n)]
	if len(p) == 0 {
		return 0, errEnd
	}
	for i := range p {
		p[i] = r.c
	}
	r.n -= len(p)
	return len(p), nil
}

var errEnd = errors.New("the disk is gone")

func TestReadBoundsALine(t *testing.T) {
	const limit = 200 << 10
	good := string(cloudevent.Append(nil, event("1"))) + "\n"
	for name, row := range map[string]struct {
		text io.Reader
		want []error
	}{
		"too_long":            {strings.NewReader(strings.Repeat("x", limit) + "\n" + good), []error{ErrLineTooLong, nil}},
		"too_long_at_the_end": {strings.NewReader(good + strings.Repeat("x", limit+1)), []error{nil, ErrLineTooLong}},
		"as_long_as_can_be":   {strings.NewReader(strings.TrimSuffix(good, "\n") + strings.Repeat(" ", limit-len(good)) + "\n"), []error{nil}},
		"read_error":          {io.MultiReader(strings.NewReader(good), &repeated{'x', limit * 2}), []error{nil, errEnd}},
	} {
		var got []error
		readLines("f", row.text, limit, func(_ eds.Event, err error) bool { got = append(got, err); return true })
		if !slices.EqualFunc(got, row.want, errors.Is) {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
	var room []byte
	if _, err := readLine(bufio.NewReader(&repeated{'x', 100 * limit}), &room, limit); err != errEnd || cap(room) > 2*limit {
		t.Errorf("a long line took %d bytes of memory, %v", cap(room), err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("{}\n\n[]"))
	f.Add(append(cloudevent.Append(nil, event("1")), '\n'))
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		readLines("f", bytes.NewReader(text), maxLine, func(e eds.Event, err error) bool {
			n++
			if _, bad := errors.AsType[*LineError](err); err != nil && !bad {
				t.Errorf("%v", err)
			}
			if err == nil && (e.ID == "" && e.Type == "" && e.Source == "") {
				t.Errorf("an event without anything")
			}
			return true
		})
		want := 0
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			if len(bytes.TrimSpace(line)) > 0 {
				want++
			}
		}
		if n != want {
			t.Errorf("%d results for %d lines", n, want)
		}
	})
}
