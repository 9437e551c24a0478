-- Removes records of one node: on a cluster, where they are not in the slot of the leases.
--
-- Fixed: 1 KEYS, 0 ARGV. Each lease: 0 KEYS, 1 ARGV.
-- KEYS  [1] the node's records
-- ARGV  of each lease, the connection id
-- Returns how many were there.

return redis.call('HDEL', KEYS[1], unpack(ARGV))
