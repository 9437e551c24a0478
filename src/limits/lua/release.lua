-- Gives leases back. Removing what is not there changes nothing, so giving back twice is giving back once.
--
-- Fixed: 0 KEYS, 0 ARGV. Each lease: 1 KEYS, 1 ARGV.
-- KEYS  of each lease, the user's sorted set
-- ARGV  of each lease, the connection id
-- Returns how many were there.

local removed = 0
for i, key in ipairs(KEYS) do
  removed = removed + redis.call('ZREM', key, ARGV[i])
end
return removed
