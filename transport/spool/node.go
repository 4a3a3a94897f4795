package spool

import (
	"bytes"
	"errors"
	"fmt"
)

// node is what leads on from a page.
type node struct {
	keys     [][]byte // of a branch
	children []uint64 // of a branch, one for each key
	buckets  []uint64 // of a leaf
}

// node reads a page of a tree, or an inline one, of at most size bytes. What
// the elements are of lies behind them without a gap, as bbolt writes it: so it
// shows when their number or a length is not what it was.
func (p *pages) node(at, size uint64, from, to []byte) (n node, err error) {
	if size < pageHead {
		return n, fmt.Errorf("it has %d bytes", size)
	}
	head, err := p.read(at, pageHead)
	if err != nil {
		return n, err
	}
	branch, count := bo.Uint16(head[8:]) == branchPage, uint64(bo.Uint16(head[10:]))
	next := pageHead + count*elementSize
	if next > size || branch && count == 0 {
		return n, fmt.Errorf("it has %d elements", count)
	}
	last := bytes.Clone(from)
	for i := range count {
		offset := pageHead + i*elementSize
		element, err := p.read(at+offset, elementSize)
		if err != nil {
			return n, err
		}
		var flags, pos, keySize, valueSize, child uint64
		if branch {
			pos, keySize = uint64(bo.Uint32(element)), uint64(bo.Uint32(element[4:]))
			child = bo.Uint64(element[8:])
		} else {
			flags, pos = uint64(bo.Uint32(element)), uint64(bo.Uint32(element[4:]))
			keySize, valueSize = uint64(bo.Uint32(element[8:])), uint64(bo.Uint32(element[12:]))
		}
		if offset+pos != next || keySize == 0 || keySize > maxKey || keySize+valueSize > size-next {
			return n, fmt.Errorf("element %d has %d and %d bytes at %d", i, keySize, valueSize, pos)
		}
		key, err := p.read(at+next, keySize)
		if err != nil {
			return n, err
		}
		if c := bytes.Compare(key, last); c < 0 || i > 0 && c == 0 || to != nil && bytes.Compare(key, to) >= 0 {
			return n, fmt.Errorf("element %d has the key %.40x out of order", i, key)
		}
		last = append(last[:0], key...)
		switch {
		case branch:
			n.keys, n.children = append(n.keys, bytes.Clone(key)), append(n.children, child)
		case flags == leafBucket:
			root, err := p.bucket(at+next+keySize, valueSize)
			if err != nil {
				return n, fmt.Errorf("bucket %.40q: %w", key, err)
			}
			if root != 0 {
				n.buckets = append(n.buckets, root)
			}
		case flags != 0:
			return n, fmt.Errorf("element %d is of kind %#x", i, flags)
		}
		next += keySize + valueSize
	}
	return n, nil
}

// bucket returns the root of a bucket; 0 for one that lies inline, all of it.
func (p *pages) bucket(at, size uint64) (root uint64, err error) {
	if size < bucketHead {
		return 0, fmt.Errorf("it has %d bytes", size)
	}
	head, err := p.read(at, min(size, bucketHead+pageHead))
	if err != nil {
		return 0, err
	}
	root = bo.Uint64(head)
	if root != 0 || size < bucketHead+pageHead {
		if root < 2 {
			return 0, fmt.Errorf("it begins at page %d", root)
		}
		return root, nil
	}
	if page := head[bucketHead:]; bo.Uint64(page) != 0 || bo.Uint16(page[8:]) != leafPage || bo.Uint32(page[12:]) != 0 {
		return 0, fmt.Errorf("its page is %d, of kind %#x", bo.Uint64(page), bo.Uint16(page[8:]))
	}
	n, err := p.node(at+bucketHead, size-bucketHead, nil, nil)
	if err == nil && len(n.buckets) > 0 {
		err = errors.New("it has buckets, and is inline")
	}
	return 0, err
}
