-- Keeps records of one node: on a cluster those of new leases, which admit.lua keeps on a single Redis; on both, lost ones again.
--
-- Fixed: 1 KEYS, 1 ARGV. Each lease: 0 KEYS, 2 ARGV.
-- KEYS  [1] the node's records
-- ARGV  [1] how long records stay after the last one came, ms
--       then of each lease the connection id and the record
-- Returns how many were not there before.

local added = redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return added
