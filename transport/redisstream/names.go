package redisstream

import (
	"hash/fnv"
	"strconv"
	"strings"
)

// partitionName is the stream that is the i-th partition of name. On a Redis
// Cluster the partitions are spread, and each has what belongs to it in its
// own slot, by a hash tag around the whole; a name that brings a hash tag of
// its own keeps that, and with it all partitions in one slot.
func partitionName(name string, i int) string {
	if tagged(name) {
		return name + ":" + strconv.Itoa(i)
	}
	return "{" + name + ":" + strconv.Itoa(i) + "}"
}

// besides is a key in the slot of stream.
func besides(stream, group, what string) string {
	if tagged(stream) {
		return stream + ":" + group + ":" + what
	}
	return "{" + stream + "}:" + group + ":" + what
}

// tagged tells whether a key has a hash tag, by the rule of the Redis Cluster
// specification.
func tagged(key string) bool {
	_, rest, found := strings.Cut(key, "{")
	return found && strings.Index(rest, "}") > 0
}

// partitionOf is the partition of a key, the same in all programs and
// versions.
func partitionOf(key string, n int) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	return int(h.Sum64() % uint64(n))
}
