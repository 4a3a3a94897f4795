package redisstream

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
)

// Fields are those of the entry of an event.
func Fields(e *eds.Event, key string) map[string]any {
	args := appendFields(nil, e, key, e.Attributes)
	fields := make(map[string]any)
	for i := 0; i < len(args); i += 2 {
		value := args[i+1]
		if b, ok := value.([]byte); ok {
			value = string(b)
		}
		fields[args[i].(string)] = value
	}
	return fields
}

var (
	Decode        = decode
	PartitionName = partitionName
	Besides       = besides
	PartitionOf   = partitionOf
)

// Trim is one pass of the trimming.
func Trim(ctx context.Context, client redis.UniversalClient, stream string, above int64) (int64, error) {
	return trimScript.Run(ctx, client, []string{stream}, above).Int64()
}

// TrimGaps is one step of the trimming between what is pending.
func TrimGaps(ctx context.Context, client redis.UniversalClient, stream string, above int64, from string, count int) (next string, err error) {
	reply, err := gapScript.Run(ctx, client, []string{stream}, above, from, count).Slice()
	if err == nil {
		next, _ = reply[0].(string)
	}
	return next, err
}

// Delay is the pause after an attempt.
func (t *Transport) Delay(attempt int) time.Duration { return t.delay(attempt) }

// Leases are the partitions that t reads.
func (t *Transport) Leases() (names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.parts {
		if p.lease.held && !p.lease.leaving {
			names = append(names, p.stream)
		}
	}
	return names
}

// JudgeInfo judges a server by its INFO.
func JudgeInfo(info, fsync string) []Warning { return judgeServer("", fieldsOf(info), fsync) }

// InfoField is a field of INFO.
func InfoField(info, name string) string { return fieldsOf(info)[name] }

// Age makes an entry that waits to be received look as if nobody had touched
// it for long. It returns false when there is no such entry.
func (t *Transport) Age(event string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.ready {
		if e.Event.ID == event && e.state == waiting {
			e.alive = time.Time{}
			return true
		}
	}
	return false
}
