-- Looks up what an issuer said of a token; where that is too old and nobody asks, the caller is to ask.
--
-- KEYS  [1] the token's: a hash of `answer`, `asked` (ms) and `claimed` (until when another asks, ms)
-- ARGV  [1] how old an answer may be that says the token is active, ms
--       [2] how long any answer counts, ms
--       [3] how long others wait for the caller to ask, ms
-- Returns {answer, its age in ms}, {'claimed', for how many ms still}, or {'ours', 0}.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'answer', 'asked', 'claimed')
local age = held[1] and now - tonumber(held[2])
-- Of a token that is not active any more nobody needs a newer word.
if age and age <= tonumber(ARGV[held[1] == 'active' and 1 or 2]) then return {held[1], math.max(0, age)} end
local left = held[3] and tonumber(held[3]) - now or 0
if left > 0 then return {'claimed', left} end
redis.call('HSET', KEYS[1], 'claimed', now + tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[2]) + tonumber(ARGV[3]))
return {'ours', 0}
