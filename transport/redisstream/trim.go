package redisstream

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/rediscall"
)

// idOrder compares ids of entries. Numbers of Lua are too small for them.
const idOrder = `
local function parse(id)
	local ms, seq = string.match(id, '^(%d+)-(%d+)$')
	return {ms, seq}
end
local function less(a, b)
	for i = 1, 2 do
		if #a[i] ~= #b[i] then return #a[i] < #b[i] end
		if a[i] ~= b[i] then return a[i] < b[i] end
	end
	return false
end`

// trimScript deletes what all groups have acknowledged, in one step, so that no group
// reads, nor appears, between the look and the deletion.
//
//	limit
//
// Everything below the first entry that some group has pending, or has not
// been given yet, is done. It returns how many entries it deleted.
var trimScript = redis.NewScript(idOrder + `
if redis.call('XLEN', KEYS[1]) <= tonumber(ARGV[1]) then return 0 end
local first
local function keep(id)
	local p = parse(id)
	if not first or less(p, first) then first = p end
end
for _, g in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
	local name, last
	for i = 1, #g, 2 do
		if g[i] == 'name' then name = g[i+1] end
		if g[i] == 'last-delivered-id' then last = g[i+1] end
	end
	keep(last)
	local pending = redis.call('XPENDING', KEYS[1], name)
	if pending[1] > 0 then keep(pending[2]) end
end
if not first then return 0 end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', first[1] .. '-' .. first[2])`)

// gapScript deletes what all groups have acknowledged behind an entry that one
// has pending, for which trimScript stops.
//
//	limit from count
//
// It looks at so many entries, one at a time, since they may be large, and
// returns where to go on, "-" at the end, and how many it deleted. What the
// slowest group was given last stays: a deletion there, or behind it, would
// have Redis no longer know the lag of that group.
var gapScript = redis.NewScript(idOrder + `
if redis.call('XLEN', KEYS[1]) <= tonumber(ARGV[1]) then return {'-', 0} end
local names, low = {}
for _, g in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
	for i = 1, #g, 2 do
		if g[i] == 'name' then names[#names+1] = g[i+1] end
		if g[i] == 'last-delivered-id' and (not low or less(parse(g[i+1]), parse(low))) then low = g[i+1] end
	end
end
if not low or low == '0-0' then return {'-', 0} end
local from, n = ARGV[2], 0
for _ = 1, tonumber(ARGV[3]) do
	local e = redis.call('XRANGE', KEYS[1], from, '(' .. low, 'COUNT', 1)
	if not e[1] then return {'-', n} end
	local id, done = e[1][1], true
	for _, name in ipairs(names) do
		done = done and #redis.call('XPENDING', KEYS[1], name, id, id, 1) == 0
	end
	if done then n = n + redis.call('XDEL', KEYS[1], id) end
	from = '(' .. id
end
return {from, n}`)

// trimming trims from time to time, until Close.
func (p *Publisher) trimming() {
	told := make([]bool, len(p.streams))
	gaps := make([]string, len(p.streams)) // from where on to look for them
	for {
		above, gapsAbove, ok := p.nextTrim()
		if !ok {
			return
		}
		for i, stream := range p.streams {
			err := p.trim(stream, above)
			if err == nil {
				gaps[i], err = p.trimGaps(stream, gapsAbove, gaps[i])
			}
			if err != nil && p.life.Err() == nil && !told[i] {
				p.log.Warn("stream cannot be trimmed", slog.String("stream", stream), slog.Any("err", rediscall.Discreet(err)))
			}
			told[i] = err != nil
		}
	}
}

func (p *Publisher) trim(stream string, above int64) error {
	for p.life.Err() == nil {
		n, err := trimScript.Run(p.life, p.pipes[0].client, []string{stream}, above).Int64()
		// XTRIM looks at 10,000 entries at a time, so that it holds up nobody.
		if err != nil || n < trimStep || !sleep(p.life, time.Millisecond) {
			return err
		}
	}
	return nil
}

// trimGaps deletes between what is pending, when there is need of it. It looks
// at a part of the stream, and returns from where to go on the next time.
func (p *Publisher) trimGaps(stream string, above int64, from string) (string, error) {
	if from == "" {
		from = "-"
	}
	for range gapSteps {
		reply, err := gapScript.Run(p.life, p.pipes[0].client, []string{stream}, above, from, gapStep).Slice()
		if err != nil {
			return "", err
		}
		if from, _ = reply[0].(string); from == "-" || !sleep(p.life, time.Millisecond) {
			break
		}
	}
	return from, nil
}

const (
	// farAbove is how many times TrimAbove a stream has, and fewEntries how many
	// at least, when also the gaps between what is pending are looked for.
	farAbove, fewEntries = 10, 1000
	// gapStep is how many entries gapScript looks at, and holds up the others
	// for, which is about a millisecond; gapSteps how often it may at a time.
	gapStep, gapSteps = 100, 100
)

// nextTrim waits for the next time, and returns how many entries may stay, and
// of how many on gaps are looked for. It returns false after Close.
func (p *Publisher) nextTrim() (above, gaps int64, ok bool) {
	// Not all publishers at the same moment.
	timer := time.NewTimer(p.trimEvery/2 + rand.N(p.trimEvery))
	defer timer.Stop()
	select {
	case <-p.life.Done():
		return 0, 0, false
	case <-timer.C:
		return p.trimAbove, max(farAbove*p.trimAbove, fewEntries), true
	case <-p.full:
		// Not at once after the last time: what can go is gone then.
		return 0, 0, sleep(p.life, min(p.trimEvery, time.Second)/2)
	}
}

// filled notes that Redis is out of memory: what is done with has to go now.
func (p *Publisher) filled() {
	select {
	case p.full <- struct{}{}:
	default:
	}
}

// trimStep is a good part of what XTRIM deletes at most in one step, which is
// 100 times stream-node-max-entries, 100 unless configured.
const trimStep = 1000
