-- Notes that a node is alive.
-- KEYS[1]  the node's records: the field '' is `<alive until, ms on Redis's clock>:<the node's own clock, ms>`
-- KEYS[2]  the connections of the node that others have claimed
-- ARGV[1]  for how long it counts as alive, ms
-- ARGV[2]  how long after that others may claim its connections, ms
-- ARGV[3]  the node's own clock, ms
-- ARGV[4]  how long the records stay without a heartbeat, ms
-- ARGV[5]  how long what was claimed stays known without a heartbeat, ms
-- returns  {alive until, 1 if others may have claimed connections since the last heartbeat, else 0}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = redis.call('HGET', KEYS[1], '')
local alive_until = before and tonumber(string.match(before, '^%d+'))
local lapsed = (not alive_until or alive_until + ARGV[2] <= now) and 1 or 0
redis.call('HSET', KEYS[1], '', string.format('%.0f:%s', now + ARGV[1], ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return { now + ARGV[1], lapsed }
