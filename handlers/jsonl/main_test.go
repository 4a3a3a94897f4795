//go:build unix

package jsonl

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain also is what the tests start as a second process.
func TestMain(m *testing.M) {
	if role := os.Getenv("JSONL_TEST_ROLE"); role != "" {
		os.Exit(child(role))
	}
	goleak.VerifyTestMain(m)
}
