// Manifests checks the Kubernetes manifests of a folder: that the API's own
// types take every field, that they fit together, that they keep our rules, and
// that the program takes the arguments and variables which they give it.
//
//	manifests -eds PROGRAM FOLDER
//
// It has a module of its own, so that its dependencies are not ours.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
)

func main() {
	program := flag.String("eds", "", "the `program` to run as the manifests say")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *program == "" || flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: manifests -eds PROGRAM FOLDER")
		os.Exit(2)
	}
	objects, runs, err := check(ctx, *program, flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%d objects are well-formed and fit together, %d containers of eds run as they say\n", objects, runs)
}

// check checks the manifests of a folder. Its error joins all complaints.
func check(ctx context.Context, program, folder string) (objects, runs int, err error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return 0, 0, err
	}
	if len(files) == 0 {
		return 0, 0, fmt.Errorf("%s: no manifests", folder)
	}
	slices.Sort(files)
	var all set
	var errs []error
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return 0, 0, err
		}
		found, err := decode(filepath.Base(name), string(text))
		errs = append(errs, err)
		all = append(all, found...)
	}
	errs = append(errs, all.together(), all.rules())
	if err := errors.Join(errs...); err != nil {
		return len(all), 0, err // what cannot be deployed need not run
	}
	for _, w := range all.workloads() {
		for _, c := range w.ofEDS() {
			runs++
			errs = append(errs, all.run(ctx, program, w, c))
		}
	}
	if runs == 0 {
		errs = append(errs, fmt.Errorf("%s: no container runs eds", folder))
	}
	return len(all), runs, errors.Join(errs...)
}
