-- Keeps what an issuer said of a token; without an answer another process may ask.
--
-- KEYS  [1] the token's, as in take-answer.lua
-- ARGV  [1] `active`, `inactive`, or nothing
--       [2] how long ago the issuer was asked, ms
--       [3] how long an answer counts, ms
-- Returns 1, or 0 where a later answer stands.

redis.call('HDEL', KEYS[1], 'claimed')
if ARGV[1] == '' then return 1 end
local time = redis.call('TIME')
local asked = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[2])
local before = redis.call('HMGET', KEYS[1], 'asked')[1]
-- The answer to an older question says less than the one to a newer question, in whichever order they come.
if before and tonumber(before) > asked then return 0 end
redis.call('HSET', KEYS[1], 'answer', ARGV[1], 'asked', asked)
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[3]))
return 1
