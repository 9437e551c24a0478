-- Extends leases to a whole lease from now, and registers again those that Redis has lost.
--
-- Fixed: 0 KEYS, 1 ARGV. Each lease: 1 KEYS, 1 ARGV.
-- KEYS  of each lease, the user's sorted set
-- ARGV  [1] a lease, ms
--       then of each lease the connection id
-- Returns {the place of a key, what went wrong with it, ...}: empty when all went well.
--
-- include: clock.lua
-- include: items.lua

local lease = tonumber(ARGV[1])
local function renew (key, id)
  redis.call('ZADD', key, now + lease, id)
  redis.call('PEXPIRE', key, lease)
end

local failures = {}
for i, key in ipairs(KEYS) do
  local failure = try(renew, key, ARGV[i + 1])
  if failure then note_failure(failures, i, failure) end
end
return failures
