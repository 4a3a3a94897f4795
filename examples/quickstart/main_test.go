package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestQuickstart(t *testing.T) {
	var out, logs bytes.Buffer
	if err := run(t.Context(), &out, &logs, filepath.Join(t.TempDir(), "dead.jsonl")); err != nil {
		t.Fatalf("%v\n%s", err, logs.String())
	}
	for _, want := range []string{"events published  25", "acknowledged    25", "more than once  0", "dead-lettered     1", "lost              0", poison} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}
