package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The driver starts this program again as the service and as a program for
	// --exec, also when the driver is a test.
	if len(os.Args) > 1 && (os.Args[1] == roleService || os.Args[1] == roleProgram) {
		os.Exit(start(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(builtIn)
		os.Exit(code)
	}))
}

var (
	builtIn string
	built   = sync.OnceValues(func() (string, error) {
		var err error
		if builtIn, err = os.MkdirTemp("", "eds-built-"); err != nil {
			return "", err
		}
		path := filepath.Join(builtIn, "eds")
		text, err := exec.Command("go", "build", "-o", path, edsPackage).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return path, err
	})
)

// command is the command eds, built once for all tests.
func command(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
