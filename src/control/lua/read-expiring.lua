-- Reads a part of what has not expired of a set of expiring members, what expires first at the front.
-- KEYS[1]  the set
-- ARGV[1]  how long a member must still last, ms
-- ARGV[2]  how many such members to leave out
-- ARGV[3]  how many to read at most
-- returns  the members
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local least = '(' .. string.format('%.0f', now + tonumber(ARGV[1]))
return redis.call('ZRANGEBYSCORE', KEYS[1], least, '+inf', 'LIMIT', ARGV[2], ARGV[3])
