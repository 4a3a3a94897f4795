package edsv2

import (
	"strings"
	"testing"
)

// The scanner looks at eight bytes at a time, so the place within them counts.
func TestScanFindsInvalidUTF8Anywhere(t *testing.T) {
	for length := range 40 {
		for at := range length {
			text := []byte(strings.Repeat("x", length))
			text[at] = 0xff
			var f frame
			if err := f.scan([]byte(`{"frameType":"` + string(text) + `"}`)); err != nil || !f.badUTF8 {
				t.Errorf("0xff at %d of %d: badUTF8 is %v, and the error %v", at, length, f.badUTF8, err)
			}
		}
	}
}
