-- Names the nodes that are overdue.
-- KEYS[1]  the index of nodes
-- ARGV[1]  how long a node may be overdue, ms
-- ARGV[2]  until when this question is worth an answer, ms on Redis's clock: after that Redis itself was away
-- ARGV[3]  how many names at most
-- returns  the names
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[2]) then return {} end
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[1]), 'LIMIT', 0, ARGV[3])
