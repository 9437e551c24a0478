-- Tells which records of one node Redis does not have: on a cluster, where renew.lua cannot look for them. A renewal sends only those.
--
-- Fixed: 1 KEYS, 0 ARGV. Each lease: 0 KEYS, 1 ARGV.
-- KEYS  [1] the node's records
-- ARGV  of each lease, the connection id
-- Returns the places in ARGV, from 1 on, of those whose record is not there.

local lost = {}
for i, record in ipairs(redis.call('HMGET', KEYS[1], unpack(ARGV))) do
  if not record then lost[#lost + 1] = i end
end
return lost
