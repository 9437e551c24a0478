-- Keeps a member in a set of expiring members (scored by when they expire, in ms of Redis's clock).
-- KEYS[1]  the set
-- ARGV[1]  the member
-- ARGV[2]  how long it is kept, ms
-- ARGV[3]  most members
-- ARGV[4]  what a full set does: 'refuse', or 'evict' the member that expires first
-- returns  1 kept, 0 refused
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local full = redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3])
if full and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  if ARGV[4] == 'refuse' then
    return 0
  end
  redis.call('ZPOPMIN', KEYS[1])
end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
-- A member of another program's may have any score: the end of the year 9999 at most.
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.min(tonumber(last[2]), 253402300799000)))
return 1
