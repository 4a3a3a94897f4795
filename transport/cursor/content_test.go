package cursor

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// asChecked gives content the checksum that fits.
func asChecked(content string) string {
	return fmt.Sprintf("%scrc32 %08x\n", content, crc32.ChecksumIEEE([]byte(content)))
}

func TestContent(t *testing.T) {
	got := string(encode(map[string]string{"b \"2\"\n": "\xff", "a": "CAwQABgAIAAwAQ=="}))
	want := asChecked("eds cursors 1\n\"a\" \"CAwQABgAIAAwAQ==\"\n\"b \\\"2\\\"\\n\" \"\\xff\"\n")
	if got != want {
		t.Errorf("written as\n%s\nwant\n%s", got, want)
	}
	if got := string(encode(nil)); got != asChecked("eds cursors 1\n") {
		t.Errorf("nothing is written as\n%s", got)
	}
}

func TestContentComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytesOf := func(min int) *rapid.Generator[string] {
			return rapid.OneOf(
				rapid.StringN(min, 40, -1),
				rapid.Map(rapid.SliceOfN(rapid.Byte(), min, 40), func(b []byte) string { return string(b) }),
			)
		}
		want := rapid.MapOf(bytesOf(0), bytesOf(1)).Draw(t, "positions")
		content := encode(want)
		got, err := decode(content)
		if err != nil || !maps.Equal(got, want) {
			t.Fatalf("%q comes back as %q, %v", want, got, err)
		}
		// Torn anywhere, or with any byte changed.
		if n := rapid.IntRange(0, len(content)-1).Draw(t, "torn at"); true {
			if got, err := decode(content[:n]); err == nil {
				t.Fatalf("torn at %d of %d: %q", n, len(content), got)
			}
			changed := bytes.Clone(content)
			changed[n] ^= rapid.ByteRange(1, 255).Draw(t, "flip")
			if got, err := decode(changed); err == nil {
				t.Fatalf("changed at %d: %q", n, got)
			}
		}
	})
}

var wrongContents = map[string]string{
	"empty":               "",
	"foreign":             "{\"positions\":{}}\n",
	"binary":              "\x7fELF\x00\x00",
	"zeros":               "\x00\x00\x00\x00",
	"later version":       asChecked("eds cursors 2\n"),
	"torn head":           "eds cur",
	"only a head":         "eds cursors 1\n",
	"torn line":           "eds cursors 1\n\"a\" \"b",
	"no checksum":         "eds cursors 1\n\"a\" \"b\"\n",
	"torn checksum":       "eds cursors 1\n\"a\" \"b\"\ncrc32 12",
	"no last line break":  asChecked("eds cursors 1\n")[:len(asChecked("eds cursors 1\n"))-1],
	"wrong checksum":      "eds cursors 1\n\"a\" \"b\"\ncrc32 00000000\n",
	"something after":     asChecked("eds cursors 1\n") + "\n",
	"appended":            asChecked("eds cursors 1\n") + asChecked("eds cursors 1\n"),
	"twice the same name": asChecked("eds cursors 1\n\"a\" \"b\"\n\"a\" \"c\"\n"),
	"another order":       asChecked("eds cursors 1\n\"b\" \"b\"\n\"a\" \"c\"\n"),
	"another spelling":    asChecked("eds cursors 1\n\"\\x61\" \"b\"\n"),
	"two blanks":          asChecked("eds cursors 1\n\"a\"  \"b\"\n"),
	"raw quotes":          asChecked("eds cursors 1\n`a` \"b\"\n"),
	"no position":         asChecked("eds cursors 1\n\"a\"\n"),
	"empty position":      asChecked("eds cursors 1\n\"a\" \"\"\n"),
	"no quotes":           asChecked("eds cursors 1\na b\n"),
	"empty line":          asChecked("eds cursors 1\n\n"),
	"carriage returns":    asChecked("eds cursors 1\r\n"),
}

func TestWrongContent(t *testing.T) {
	for name, content := range wrongContents {
		if got, err := decode([]byte(content)); err == nil {
			t.Errorf("%s is read as %q", name, got)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
}

// What can be read is what would be written, to the byte.
func FuzzContent(f *testing.F) {
	for _, content := range wrongContents {
		f.Add([]byte(content), true)
	}
	f.Add(encode(nil), false)
	f.Add(encode(map[string]string{"": "\x00", "a": "b", "\xff\n": "日本"}), false)
	f.Fuzz(func(t *testing.T, content []byte, check bool) {
		if check {
			// With a checksum that fits, so that what it covers is reached.
			content = []byte(asChecked(string(content)))
		}
		positions, err := decode(content)
		if err != nil {
			if positions != nil {
				t.Errorf("%q with the error %v", positions, err)
			}
			return
		}
		if again := encode(positions); !bytes.Equal(again, content) {
			t.Errorf("%q would be written as %q", content, again)
		}
		for name, position := range positions {
			if position == "" {
				t.Errorf("%q has no position", name)
			}
		}
	})
}
