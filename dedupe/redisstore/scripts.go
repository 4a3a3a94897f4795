package redisstore

import (
	"crypto/sha1"
	"encoding/hex"
)

// script is a Lua script and the name under which EVALSHA knows it.
type script struct{ source, sha string }

func newScript(source string) *script {
	sum := sha1.Sum([]byte(source))
	return &script{source, hex.EncodeToString(sum[:])}
}

// The scripts read the same records as parse, as strictly where it matters:
// what they cannot read they return with '?'.
var (
	// ARGV: token, lease + keep ms, keep ms, payload hash.
	// Returns state, attempt or result, abandoned, wait ms, payload hash.
	claimScript = newScript(`
local v = redis.call('GET', KEYS[1])
local attempt, abandoned, payload = 1, 0, ''
if v then
  local result, hash = string.match(v, '^1D:(%d+):(%x*)$')
  if result then return {'D', result, '0', 0, hash} end
  local a, b
  a, b, hash = string.match(v, '^1F:(%d+):(%d+):(%x*)$')
  if a then
    attempt, abandoned, payload = a + 1, b, hash
  else
    local token, keep
    token, a, b, keep, hash = string.match(v, '^1P:(%x+):(%d+):(%d+):(%d+):(%x*)$')
    if not token then return {'?', v, '0', 0, ''} end
    attempt, abandoned, payload = a, b, hash
    if token ~= ARGV[1] then
      local left = redis.call('PTTL', KEYS[1]) - keep
      if left > 0 then return {'P', a, b, left, hash} end
      attempt, abandoned = a + 1, b + 1
    end
  end
end
local hash = ARGV[4]
if hash == '' then hash = payload end
redis.call('SET', KEYS[1], string.format('1P:%s:%d:%d:%s:%s', ARGV[1], attempt, abandoned, ARGV[3], hash), 'PX', ARGV[2])
return {'C', string.format('%d', attempt), string.format('%d', abandoned), 0, payload}
`)

	// ARGV: value, retention ms. Returns the old value, as SET … GET would.
	commitScript = newScript(`
local v = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return v
`)

	// ARGV: token, keep ms. Returns 1 if the token owned the record.
	releaseScript = newScript(`
local v = redis.call('GET', KEYS[1])
if not v then return 0 end
local token, a, b, keep, hash = string.match(v, '^1P:(%x+):(%d+):(%d+):(%d+):(%x*)$')
if token ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], '1F:' .. a .. ':' .. b .. ':' .. hash, 'PX', ARGV[2])
return 1
`)

	// ARGV: token, lease ms. Returns 1 if the token owned the record.
	renewScript = newScript(`
local v = redis.call('GET', KEYS[1])
if not v then return 0 end
local token, a, b, keep = string.match(v, '^1P:(%x+):(%d+):(%d+):(%d+):(%x*)$')
if token ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2] + keep)
return 1
`)
)
