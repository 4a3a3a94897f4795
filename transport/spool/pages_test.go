package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/eventdelivery/eds-go/eds"
)

// A file with bits that have turned is refused as it is, or opened, and then
// all its events come: as they were, or with an Err. None is missing but those
// of the last write, when the bits are those that say where that is.
func TestDamagedFiles(t *testing.T) {
	const events = 100
	whole := written(t, events)
	pageSize := os.Getpagesize()
	var refused, unreadable, sound int
	for seed := range uint64(600) {
		random := rand.New(rand.NewPCG(1, seed))
		content, metaHit := bytes.Clone(whole), false
		for range 1 + seed%20 {
			at := random.IntN(len(content))
			if seed%2 == 0 { // in the head of a page, or among its elements
				at = at/pageSize*pageSize + random.IntN(256)
			}
			content[at] ^= 1 << random.IntN(8)
			metaHit = metaHit || at < 2*pageSize
		}
		path := filepath.Join(t.TempDir(), fmt.Sprint(seed, ".spool"))
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, quiet)
		if err != nil {
			if _, ok := errors.AsType[*eds.ConfigError](err); !ok {
				t.Errorf("seed %d: %v", seed, err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, content) {
				t.Errorf("seed %d: refused, and changed (%v)", seed, err)
			}
			refused++
			continue
		}
		came, bad := workOff(t, s)
		if came != events && !metaHit {
			t.Errorf("seed %d: %d of %d events came", seed, came, events)
		}
		if unreadable += bad; bad == 0 {
			sound++
		}
	}
	t.Logf("%d refused, %d sound, %d unreadable events", refused, sound, unreadable)
	if refused < 100 || unreadable < 100 || sound < 10 {
		t.Error("the damage shows little")
	}
}

// workOff receives all events of a damaged file that written made.
func workOff(t *testing.T, s *Spool) (came, bad int) {
	t.Helper()
	b, err := s.Backlog()
	if err != nil {
		t.Fatal(err)
	}
	tr := s.Transport()
	for range b.Events {
		d, err := tr.Receive(t.Context())
		if err != nil {
			t.Error(err)
			break
		}
		came++
		if d.Err != nil {
			bad++
		} else if n := len(d.Event.Payload); fmt.Sprint(n/100) != d.Event.ID || strings.Trim(string(d.Event.Payload), "x") != "" {
			t.Errorf("event %s came with %q", d.Event.ID, d.Event.Payload)
		}
		if err := tr.Ack(t.Context(), d); err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return came, bad
}

// Each kind of damage that bbolt would follow is named.
func TestWhatIsWrongWithPages(t *testing.T) {
	sound := written(t, 400)
	pageSize := os.Getpagesize()
	p := inMemory(sound)
	if err := p.check(); err != nil {
		t.Fatalf("a sound file: %v", err)
	}
	branch, leaf := -1, -1 // some of its pages that are in use
	for id := uint64(2); id < p.end; id++ {
		at := int(id) * pageSize
		switch kind, count := bo.Uint16(sound[at+8:]), bo.Uint16(sound[at+10:]); {
		case !p.isUsed(id) || bo.Uint64(sound[at:]) != id:
		case kind == branchPage && count > 4:
			branch = at
		case kind == leafPage && count > 2:
			leaf = at
		}
	}
	if branch < 0 || leaf < 0 {
		t.Fatalf("no branch or no leaf: %d, %d", branch, leaf)
	}
	put16 := func(at int, v uint16) func([]byte) { return func(b []byte) { bo.PutUint16(b[at:], v) } }
	put32 := func(at int, v uint32) func([]byte) { return func(b []byte) { bo.PutUint32(b[at:], v) } }
	put64 := func(at int, v uint64) func([]byte) { return func(b []byte) { bo.PutUint64(b[at:], v) } }
	const first, second = pageHead, pageHead + elementSize
	for name, c := range map[string]struct {
		damage func([]byte)
		want   string
	}{
		"another page's number":      {put64(branch, 1<<20), "says that it is page 1048576"},
		"an unknown kind":            {put16(branch+8, 3), "of kind 0x3"},
		"a list of free pages":       {put16(branch+8, freelistPage), "of kind 0x10"},
		"a branch without children":  {put16(branch+10, 0), "0 elements"},
		"more elements than fit":     {put16(leaf+10, 60_000), "60000 elements"},
		"fewer elements":             {put16(leaf+10, 1), "element 0 has"},
		"a page beyond the file":     {put32(leaf+12, 1<<31), "goes on for"},
		"a page of the next as well": {put32(branch+12, 1), "used twice"},
		"its own child":              {put64(branch+second+8, uint64(branch/pageSize)), "used twice"},
		"a child beyond the file":    {put64(branch+second+8, 1<<40), "is none of"},
		"a meta page as child":       {put64(branch+second+8, 1), "page 1"},
		"a key before the page":      {put32(branch+second, 1<<31), "element 1 has"},
		"a key without bytes":        {put32(leaf+first+8, 0), "has 0 and"},
		"a key that is too long":     {put32(leaf+first+8, 1<<20), "element 0 has"},
		"a value that is too long":   {put32(leaf+first+12, 1<<31), "element 0 has"},
		"a bucket among the events":  {put32(leaf+first, leafBucket), "none of"},
		"an unknown kind of element": {put32(leaf+first, 2), "of kind 0x2"},
		"keys out of order":          {put64(leaf+second+int(bo.Uint32(sound[leaf+second+4:])), 0), "out of order"},
		"no meta page": {func(b []byte) {
			b[pageHead] ^= 1
			b[pageSize+pageHead] ^= 1
		}, "no meta page"},
	} {
		t.Run(name, func(t *testing.T) {
			content := bytes.Clone(sound)
			c.damage(content)
			if err := inMemory(content).check(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q in it", err, c.want)
			}
		})
	}
	t.Run("torn", func(t *testing.T) {
		if err := inMemory(sound[:len(sound)/2]).check(); err == nil || !strings.Contains(err.Error(), "torn") {
			t.Errorf("the error is %v", err)
		}
	})
}

func inMemory(content []byte) *pages {
	return &pages{file: bytes.NewReader(content), size: int64(len(content)), pageSize: uint64(os.Getpagesize())}
}

// FuzzPages damages a file: it is refused, or bbolt finds nothing wrong with it.
func FuzzPages(f *testing.F) {
	whole := written(f, 40)
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0x20, 0, 0x0a, 1}) // at 8202, the number of elements
	f.Fuzz(func(t *testing.T, edits []byte) {
		content := bytes.Clone(whole)
		for ; len(edits) >= 6; edits = edits[6:] {
			at := binary.BigEndian.Uint32(edits) % uint32(len(content)-1)
			if at/uint32(os.Getpagesize()) < 2 && at%uint32(os.Getpagesize()) < pageHead {
				continue // bbolt works with an unsound meta page, but its Check does not
			}
			content[at], content[at+1] = edits[4], edits[5]
		}
		if inMemory(content).check() != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "f.spool")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := bbolt.Open(path, 0o600, boltOptions(false))
		if err != nil {
			t.Fatalf("bbolt refuses it: %v", err)
		}
		defer db.Close()
		if err := db.View(func(tx *bbolt.Tx) error {
			for err := range tx.Check() {
				t.Errorf("bbolt finds: %v", err)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}
