-- Enters a node in the index of all nodes, where beat.lua cannot: on a cluster.
-- KEYS[1]  the index
-- ARGV[1]  the node
-- ARGV[2]  until when it is known to be alive, ms on Redis's clock
-- ARGV[3]  how long the index stays when no node is entered any more, ms
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
