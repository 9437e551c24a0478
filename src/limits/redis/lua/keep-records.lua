-- Keeps records of one node: on a cluster, where the script that takes the leases cannot, and what was lost.
--
-- Fixed: 1 KEYS, 1 ARGV. Each lease: 0 KEYS, 2 ARGV.
-- KEYS  [1] the node's records
-- ARGV  [1] how long they stay after the last one came, ms
--       then of each lease the connection id and the record
-- Returns how many were not there before.

local added = redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return added
