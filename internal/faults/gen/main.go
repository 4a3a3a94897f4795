// Command gen writes docs/faults.md. Run it in the root of the repository:
//
//	go run ./internal/faults/gen
package main

import (
	"fmt"
	"os"

	"github.com/eventdelivery/eds-go/internal/faults"
)

func main() {
	tests, err := faults.Scan(".")
	if err == nil {
		err = os.WriteFile("docs/faults.md", []byte(faults.Matrix(tests)), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
