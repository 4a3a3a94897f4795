package cursor

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A cursor file is lines of text: a head, one line for each name in their
// order, and a checksum (CRC-32, IEEE) of all that stands before it.
//
//	eds cursors 1
//	"persistent://acme/events/all" "CAwQABgAIAAwAQ=="
//	crc32 5f3a0c71
//
// Names and positions are quoted as Go does it, so that any bytes come back,
// and there is one way only to write a set of positions.
const (
	contentHead = "eds cursors 1\n"
	contentSum  = "crc32 "
)

// largestContent bounds what is read, so that a path that names something
// else by mistake does not fill the memory.
const largestContent = 16 << 20

// encode writes positions down.
func encode(positions map[string]string) []byte {
	b := []byte(contentHead)
	for _, name := range slices.Sorted(maps.Keys(positions)) {
		b = strconv.AppendQuote(b, name)
		b = append(b, ' ')
		b = strconv.AppendQuote(b, positions[name])
		b = append(b, '\n')
	}
	return fmt.Appendf(b, "%s%08x\n", contentSum, crc32.ChecksumIEEE(b))
}

// What is wrong with a file, as a reason for people.
var (
	errNothing  = errors.New("is empty, so that it does not tell whether a position is lost")
	errForeign  = errors.New("is not a file of cursors, or of a later version")
	errTorn     = errors.New("ends too early: it is torn")
	errChecksum = errors.New("does not fit its checksum: it was changed or is damaged")
)

// decode reads what encode wrote, and refuses everything else.
func decode(content []byte) (map[string]string, error) {
	if len(content) == 0 {
		return nil, errNothing
	}
	if !bytes.HasPrefix(content, []byte(contentHead)) {
		if bytes.HasPrefix([]byte(contentHead), content) {
			return nil, errTorn
		}
		return nil, errForeign
	}
	end := bytes.LastIndex(content, []byte("\n"+contentSum)) + 1
	const sum = len(contentSum + "00000000\n")
	if end == 0 || len(content)-end < sum {
		return nil, errTorn
	}
	if string(content[end:]) != fmt.Sprintf("%s%08x\n", contentSum, crc32.ChecksumIEEE(content[:end])) {
		return nil, errChecksum
	}
	positions := make(map[string]string)
	number := 1
	for line := range strings.Lines(string(content[len(contentHead):end])) {
		number++
		name, position, err := decodeLine(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		positions[name] = position
	}
	// Names that stand there twice or in another order, and other spellings.
	if !bytes.Equal(encode(positions), content) {
		return nil, errors.New("is not written as it would be by us")
	}
	return positions, nil
}

func decodeLine(line string) (name, position string, err error) {
	quoted, err := strconv.QuotedPrefix(line)
	if err == nil {
		name, err = strconv.Unquote(quoted)
	}
	if err != nil {
		return "", "", errors.New("does not begin with a name in quotes")
	}
	position, err = strconv.Unquote(strings.TrimPrefix(line[len(quoted):], " "))
	if err != nil || position == "" {
		return "", "", errors.New("does not end with a position in quotes")
	}
	return name, position, nil
}
