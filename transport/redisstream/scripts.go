package redisstream

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Each script has the stream for its only key and the group for its first
// argument, except where it says so, and does in one step what would go wrong
// in two.

// pressing is a script that has to run when the server is out of memory, too:
// a backlog that has filled it goes down only when workers can begin.
type pressing struct{ usual, full *redis.Script }

func newPressing(source string) pressing {
	// The flag is from Redis 7.0 on. It is left away as long as it is not
	// needed, for servers that only speak the protocol.
	return pressing{redis.NewScript(source), redis.NewScript("#!lua flags=allow-oom\n" + source)}
}

func (s pressing) run(ctx context.Context, client redis.Scripter, key string, args ...any) *redis.Cmd {
	cmd := s.usual.Run(ctx, client, []string{key}, args...)
	if outOfMemory(cmd.Err()) {
		cmd = s.full.Run(ctx, client, []string{key}, args...)
	}
	return cmd
}

func outOfMemory(err error) bool { return redis.HasErrorPrefix(err, "OOM") }

// groupScript makes the group, and the stream, where they are not there: from
// the first entry on, so that nothing is left out.
var groupScript = newPressing(`
return redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')`)

// refreshScript touches entries that are still those of a consumer.
//
//	group consumer id...
//
// It returns the ids of those that are not.
var refreshScript = redis.NewScript(`
local lost = {}
for i = 3, #ARGV do
	local p = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
	if #p == 0 then
		lost[#lost+1] = ARGV[i]
	else
		redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
	end
end
return lost`)

// releaseScript passes entries that are still those of a consumer on to
// another name, as having been idle for so many ms and delivered so many
// times (-1: as it is).
//
//	group consumer released [id idle count]...
var releaseScript = redis.NewScript(`
local n = 0
for i = 4, #ARGV, 3 do
	local p = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
	if #p == 1 then
		local count = ARGV[i+2]
		if count == '-1' then count = p[1][4] end
		redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, ARGV[i], 'IDLE', ARGV[i+1], 'RETRYCOUNT', count, 'JUSTID')
		n = n + 1
	end
end
return n`)

// takeOverScript claims entries that nobody has touched for so many ms.
//
//	group consumer idle cursor limit
//
// It returns the next cursor, and of each entry the id, how often it was
// delivered, and its fields.
var takeOverScript = redis.NewScript(`
local r = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
local taken = {}
for i, e in ipairs(r[2]) do
	if e and e[2] then
		local p = redis.call('XPENDING', KEYS[1], ARGV[1], e[1], e[1], 1)
		taken[#taken+1] = {e[1], p[1] and p[1][4] or 1, e[2]}
	end
end
return {r[1], taken}`)

// takeAllScript claims what is pending, from an id on, but for what a consumer
// has, and looks at so many entries.
//
//	group consumer except from look limit
//
// It returns what takeOverScript does. What was the consumer's before is no
// further delivery: the client repeats a script whose reply was lost.
var takeAllScript = redis.NewScript(`
local p = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[4], '+', ARGV[5])
local taken = {}
for _, e in ipairs(p) do
	if #taken == tonumber(ARGV[6]) then break end
	ARGV[4] = '(' .. e[1]
	if e[2] ~= ARGV[3] then
		local count = e[4]
		if e[2] ~= ARGV[2] then count = count + 1 end
		local c = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, e[1], 'RETRYCOUNT', count)
		if c[1] and c[1][2] then
			taken[#taken+1] = {e[1], count, c[1][2]}
		end
	end
end
if #p < tonumber(ARGV[5]) and (#p == 0 or ARGV[4] == '(' .. p[#p][1]) then ARGV[4] = '0-0' end
return {ARGV[4], taken}`)

// retakeScript claims entries of one consumer that were not touched for so
// many ms.
//
//	group consumer idle from limit count
//
// count 1 counts it as a delivery. It returns what takeOverScript does.
var retakeScript = redis.NewScript(`
local p = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], '-', '+', ARGV[5], ARGV[4])
local taken = {}
for i, e in ipairs(p) do
	local count = e[4] + ARGV[6]
	local c = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, e[1], 'RETRYCOUNT', count)
	if c[1] and c[1][2] then
		taken[#taken+1] = {e[1], count, c[1][2]}
	end
end
return {'0-0', taken}`)

// forgetScript deletes consumers that have nothing pending: of one that has,
// the entries would be out of reach for ever.
//
//	group consumer...
var forgetScript = redis.NewScript(`
local n = 0
for i = 2, #ARGV do
	if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[i]) == 0 then
		redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[i])
		n = n + 1
	end
end
return n`)
