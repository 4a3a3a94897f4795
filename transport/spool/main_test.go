//go:build unix

package spool

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain also is what the tests start as a second process.
func TestMain(m *testing.M) {
	if role := os.Getenv("SPOOL_TEST_ROLE"); role != "" {
		os.Exit(child(role))
	}
	goleak.VerifyTestMain(m)
}
