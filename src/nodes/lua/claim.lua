-- Takes some of a lost node's records. The process that gets a record writes the closed line, and no other ever does.
-- KEYS[1]  the node's records (see beat.lua)
-- KEYS[2]  the connections of the node that were claimed: none of these is given out again, even if its record is put back
-- ARGV[1]  how long a node may be overdue, ms
-- ARGV[2]  until when this claim is good, ms on Redis's clock: after that Redis itself was away, and healthy nodes are overdue too
-- ARGV[3]  cursor: 0 at first
-- ARGV[4]  about how many to take
-- ARGV[5]  how long what was claimed stays known without a heartbeat, ms
-- returns  {the next cursor (0: that was all), the node's own clock at its last heartbeat or '', id, record, id, record, ...};
--          nothing when the node is alive or the claim is late
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[2]) then return false end
local alive_until, seen_at = string.match(redis.call('HGET', KEYS[1], '') or '', '^(%d+):(%d+)$')
if alive_until and now < alive_until + ARGV[1] then return false end

local page = redis.call('HSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[4])
local taken = { page[1], seen_at or '' }
for i = 1, #page[2], 2 do
  local id = page[2][i]
  if id ~= '' then
    redis.call('HDEL', KEYS[1], id)
    if redis.call('SADD', KEYS[2], id) == 1 then
      taken[#taken + 1] = id
      taken[#taken + 1] = page[2][i + 1]
    end
  end
end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
-- Only the heartbeat is left: the key is removed, and a node that comes back finds it gone.
if page[1] == '0' and redis.call('HLEN', KEYS[1]) <= 1 then redis.call('DEL', KEYS[1]) end
return taken
