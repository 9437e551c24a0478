-- Extends leases to a whole lease from now, and registers again those that Redis has lost.
--
-- Fixed: 0 KEYS, 1 ARGV. Each lease: 1 KEYS, 1 ARGV.
-- KEYS  of each lease, the user's sorted set
-- ARGV  [1] a lease, ms
--       then of each lease the connection id
-- Returns the number of leases.
--
-- include: clock.lua

local lease = tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, now + lease, ARGV[i + 1])
  redis.call('PEXPIRE', key, lease)
end
return #KEYS
