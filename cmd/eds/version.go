package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the release build; otherwise the module's version counts.
var version = ""

type versionCommand struct{}

func (versionCommand) Help() string { return "Example:\n\n  eds version" }

// Run prints one line.
func (versionCommand) Run(io stdio) error {
	v, commit := version, ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if v == "" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = " " + s.Value
			}
		}
	}
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	_, err := fmt.Fprintf(io.out, "eds %s%s %s %s/%s\n", v, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
