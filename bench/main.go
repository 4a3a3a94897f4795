// Command bench measures what the pipeline costs: see README.md.
package main

import (
	"fmt"
	"os"
)

func main() {
	isChild, err := child()
	if !isChild {
		err = bench(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
