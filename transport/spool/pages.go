package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
)

// bbolt follows what its pages say without asking whether it can be: where
// bits have turned, it reads beyond the file, which ends the process, or goes
// round in circles until the memory is full (tx.Check does, too). So all that
// it will follow is looked at before: its file format, version 2, as
// go.etcd.io/bbolt/internal/common defines it, in the byte order of the
// machine.
const (
	boltMagic    = 0xED0CDAED
	boltVersion  = 2
	boltMetaSize = 64 // with its checksum
	noFreelist   = ^uint64(0)

	pageHead     = 16
	elementSize  = 16
	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10

	leafBucket = 0x01
	bucketHead = 16

	maxKey   = 1 << 15
	maxDepth = 64 // branches have two children and more: no tree comes near
)

var bo = binary.NativeEndian

// pages is a bbolt file that is being looked at.
type pages struct {
	file     io.ReaderAt
	size     int64
	pageSize uint64

	end     uint64   // the first page number that is not in use
	used    []uint64 // a bit for each page
	chunk   []byte   // what was read last
	chunkAt uint64
}

// check returns why bbolt must not work with the file, which it has opened for
// reading and so found a meta page that is sound in.
func (p *pages) check() error {
	root, freelist, err := p.meta()
	if err != nil {
		return err
	}
	if p.end > uint64(p.size)/p.pageSize {
		return fmt.Errorf("torn: it has %d of %d bytes", p.size, p.end*p.pageSize)
	}
	p.used = make([]uint64, p.end/64+1)
	p.used[0] = 0b11 // the meta pages
	if err := p.tree(root, 0, nil, nil); err != nil {
		return err
	}
	if freelist == noFreelist {
		return nil
	}
	return p.free(freelist)
}

// meta reads the newer of the two meta pages that are sound.
func (p *pages) meta() (root, freelist uint64, err error) {
	var newest uint64
	for id := range uint64(2) {
		page, err := p.read(id*p.pageSize, pageHead+boltMetaSize)
		if err != nil {
			return 0, 0, err
		}
		m := page[pageHead:]
		sum := fnv.New64a()
		_, _ = sum.Write(m[:boltMetaSize-8])
		if bo.Uint32(m) != boltMagic || bo.Uint32(m[4:]) != boltVersion || bo.Uint64(m[boltMetaSize-8:]) != sum.Sum64() {
			continue
		}
		if is := bo.Uint64(page); is != id || bo.Uint16(page[8:]) != metaPage {
			return 0, 0, fmt.Errorf("page %d says that it is page %d, of kind %#x", id, is, bo.Uint16(page[8:]))
		}
		if txid := bo.Uint64(m[48:]); p.end == 0 || txid > newest {
			newest = txid
			root, freelist, p.end = bo.Uint64(m[16:]), bo.Uint64(m[32:]), bo.Uint64(m[40:])
		}
	}
	if p.end == 0 {
		return 0, 0, errors.New("no meta page is sound")
	}
	return root, freelist, nil
}

// tree looks at the pages below id, whose keys are at least from, and below to.
func (p *pages) tree(id uint64, depth int, from, to []byte) error {
	if depth == maxDepth {
		return fmt.Errorf("page %d: more than %d levels", id, maxDepth)
	}
	size, err := p.take(id, branchPage, leafPage)
	if err != nil {
		return err
	}
	n, err := p.node(id*p.pageSize, size, from, to)
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	for i, child := range n.children {
		below := to
		if i+1 < len(n.keys) {
			below = n.keys[i+1]
		}
		if err := p.tree(child, depth+1, n.keys[i], below); err != nil {
			return err
		}
	}
	for _, bucket := range n.buckets {
		if err := p.tree(bucket, depth+1, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// take reads the head of a page that is none of the others that were taken,
// and returns the page's size.
func (p *pages) take(id uint64, kinds ...uint16) (size uint64, err error) {
	if id >= p.end {
		return 0, fmt.Errorf("page %d is none of %d", id, p.end)
	}
	head, err := p.read(id*p.pageSize, pageHead)
	if err != nil {
		return 0, err
	}
	if is := bo.Uint64(head); is != id {
		return 0, fmt.Errorf("page %d says that it is page %d", id, is)
	}
	kind := bo.Uint16(head[8:])
	if kind != kinds[0] && kind != kinds[len(kinds)-1] {
		return 0, fmt.Errorf("page %d is of kind %#x", id, kind)
	}
	more := uint64(bo.Uint32(head[12:]))
	if more >= p.end-id {
		return 0, fmt.Errorf("page %d goes on for %d pages, of %d", id, more, p.end)
	}
	for i := id; i <= id+more; i++ {
		if p.isUsed(i) {
			return 0, fmt.Errorf("page %d is used twice", i)
		}
		p.used[i/64] |= 1 << (i % 64)
	}
	return (more + 1) * p.pageSize, nil
}

func (p *pages) isUsed(id uint64) bool { return p.used[id/64]&(1<<(id%64)) != 0 }

// read returns n bytes, which are valid until the next read. It reads ahead,
// but not all: most of a large page is one payload.
func (p *pages) read(at, n uint64) ([]byte, error) {
	if at < p.chunkAt || at+n > p.chunkAt+uint64(len(p.chunk)) {
		p.chunk = slices.Grow(p.chunk[:0], maxKey)[:maxKey]
		got, err := p.file.ReadAt(p.chunk, int64(at))
		p.chunkAt, p.chunk = at, p.chunk[:got]
		if uint64(got) < n {
			return nil, fmt.Errorf("read %d bytes at %d: %w", n, at, err)
		}
	}
	return p.chunk[at-p.chunkAt:][:n:n], nil
}

// free looks at the list of free pages, which a spool has none of until
// something is written to it, or when another program wrote it.
func (p *pages) free(id uint64) error {
	size, err := p.take(id, freelistPage)
	if err != nil {
		return err
	}
	head, err := p.read(id*p.pageSize, pageHead)
	if err != nil {
		return err
	}
	at, count := uint64(pageHead), uint64(bo.Uint16(head[10:]))
	if count == 0xffff { // then the first is their number
		first, err := p.read(id*p.pageSize+at, 8)
		if err != nil {
			return err
		}
		at, count = at+8, bo.Uint64(first)
	}
	if count > (size-at)/8 {
		return fmt.Errorf("page %d: %d free pages", id, count)
	}
	for i := range count {
		b, err := p.read(id*p.pageSize+at+8*i, 8)
		if err != nil {
			return err
		}
		if page := bo.Uint64(b); page < 2 || page >= p.end || p.isUsed(page) {
			return fmt.Errorf("page %d: page %d is not free", id, page)
		}
	}
	return nil
}
