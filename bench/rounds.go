package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bench measures and prints one table.
func bench(args []string) error {
	p, err := parse(args, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	redisAddr := ""
	if slices.ContainsFunc(p.sections, func(s section) bool { return s.redis }) {
		switch server, err := startRedis(ctx, p.appendfsync); {
		case errors.Is(err, exec.ErrNotFound):
			fmt.Println("SKIPPED: the sections redis, relay and limit, because there is no redis-server on the PATH.")
			p.sections = slices.DeleteFunc(p.sections, func(s section) bool { return s.redis })
		case err != nil:
			return err
		default:
			defer server.stop()
			redisAddr = server.addr
		}
	}
	p.skipWithout(os.Stdout, benchmarkProgram)
	for _, s := range p.sections {
		if dir := s.cells[0].Dir; dir != "" && inRAM(dir) {
			fmt.Printf("NOTE: %s is in memory, so the section %s measures no disk: choose a folder with -dir.\n", dir, s.name)
		}
	}
	printMachine(os.Stdout, p)
	progress := io.Discard
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		progress = os.Stderr
	}
	results, failed := rounds(ctx, p, redisAddr, progress)
	for _, s := range p.sections {
		printSection(os.Stdout, s, results)
	}
	printTargets(os.Stdout, results)
	return failed
}

// skipWithout leaves out the variants that need a program which is not there.
func (p *plan) skipWithout(w io.Writer, program string) {
	needs := func(variant string) bool { return strings.HasPrefix(variant, program) }
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	for i := range p.sections {
		s := &p.sections[i]
		if slices.ContainsFunc(s.variants, needs) {
			fmt.Fprintf(w, "SKIPPED: the variants of %s in the section %s, because there is no %s on the PATH (Debian: redis-tools).\n", program, s.name, program)
			s.variants = slices.DeleteFunc(s.variants, needs)
		}
	}
	p.sections = slices.DeleteFunc(p.sections, func(s section) bool { return len(s.variants) == 0 })
}

// cell is what one variant was measured under.
type cell struct {
	section              string
	size, window, perSec int
	variant              string
	work                 time.Duration
}

func cellOf(s section, spec Spec, variant string) cell {
	return cell{s.name, spec.Size, spec.Window, spec.Rate, variant, spec.Work}
}

// results has the samples of a cell by round; nil where one failed.
type results map[cell][]*Sample

// rounds measures all variants in turn within each cell and round, so that
// what the machine does beside it hits all of them.
func rounds(ctx context.Context, p plan, redisAddr string, progress io.Writer) (results, error) {
	all := make(results)
	var failures []error
	for round := range p.rounds {
		for _, s := range p.sections {
			for _, spec := range s.cells {
				for i := range s.variants {
					// Each round starts with another one: nobody always
					// comes after the same neighbour's heat.
					spec.Variant = s.variants[(i+round)%len(s.variants)]
					spec.Redis = ""
					if s.redis {
						spec.Redis = redisAddr
					}
					if round == p.rounds-1 {
						spec.Profile = profileName(p.cpu, s, spec, "cpu")
						spec.Allocs = profileName(p.allocs, s, spec, "allocs")
					}
					fmt.Fprintf(progress, "\r\033[Kround %d of %d: %s, %s", round+1, p.rounds, spec.Variant, spec.describe())
					sample, err := measure(ctx, spec)
					key := cellOf(s, spec, spec.Variant)
					if ctx.Err() != nil {
						return all, ctx.Err()
					}
					if err != nil {
						failures = append(failures, err)
						all[key] = append(all[key], nil)
						continue
					}
					all[key] = append(all[key], &sample)
				}
			}
		}
	}
	fmt.Fprint(progress, "\r\033[K")
	return all, errors.Join(failures...)
}

func (s Spec) describe() string {
	switch {
	case s.Rate > 0:
		return fmt.Sprintf("%d B, %d events/s", s.Size, s.Rate)
	case s.Work > 0:
		return fmt.Sprintf("%d B, window %d, handler %v", s.Size, s.Window, s.Work)
	case s.Dir != "":
		return fmt.Sprintf("%d B, %d at once", s.Size, s.Window)
	case s.Pin:
		return fmt.Sprintf("%d B, window %d, pinned", s.Size, s.Window)
	}
	return fmt.Sprintf("%d B, window %d", s.Size, s.Window)
}

func profileName(folder string, s section, spec Spec, kind string) string {
	if folder == "" {
		return ""
	}
	load := fmt.Sprintf("w%d", spec.Window)
	if spec.Rate > 0 {
		load = fmt.Sprintf("r%d", spec.Rate)
	}
	if spec.Work > 0 {
		load += fmt.Sprintf("-%v", spec.Work)
	}
	return filepath.Join(folder, fmt.Sprintf("%s-%s-%d-%s.%s.pprof", s.name, spec.Variant, spec.Size, load, kind))
}
