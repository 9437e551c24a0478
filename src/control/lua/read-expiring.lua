-- Reads what has not expired of a set of expiring members.
-- KEYS[1]  the set
-- returns  member, remaining ms, member, remaining ms, ...
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf', 'WITHSCORES')
for i = 2, #found, 2 do
  found[i] = found[i] - now
end
return found
