-- Takes a lost node off the index, unless it came back.
-- KEYS[1]  the index of nodes
-- ARGV[1]  the node
-- ARGV[2]  how long a node may be overdue, ms
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local alive_until = redis.call('ZSCORE', KEYS[1], ARGV[1])
if alive_until and alive_until + ARGV[2] <= now then redis.call('ZREM', KEYS[1], ARGV[1]) end
