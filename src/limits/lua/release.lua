-- Gives leases back. Removing what is not there changes nothing, so giving back twice is giving back once.
--
-- Fixed: 0-1 KEYS, 0 ARGV. Each lease: 1 KEYS, 1 ARGV.
-- KEYS  of each lease, the user's sorted set
--       after them, if their records go as well, the node's records
-- ARGV  of each lease, the connection id
-- Returns how many leases were there.

local removed = 0
for i, id in ipairs(ARGV) do
  removed = removed + redis.call('ZREM', KEYS[i], id)
end
local records = KEYS[#ARGV + 1]
if records then redis.call('HDEL', records, unpack(ARGV)) end
return removed
