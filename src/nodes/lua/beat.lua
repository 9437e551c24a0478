-- Notes that a node is alive.
-- KEYS[1]  the node's records: the field '' is `<alive until, ms on Redis's clock>:<the node's own clock, ms>`
-- KEYS[2]  the connections of the node that others have claimed
-- KEYS[3]  the index of nodes; not on a cluster, where it is in another slot
-- ARGV     what note-alive.lua takes, from the lease on
-- returns  what note-alive.lua returns
-- include: note-alive.lua
local time = redis.call('TIME')
return note_alive(time[1] * 1000 + math.floor(time[2] / 1000), 1, unpack(ARGV))
