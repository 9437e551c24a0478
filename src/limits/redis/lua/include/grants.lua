-- Settling: what became of a grant. Up to a limit of 1000 every message is a member `<nonce>:<i>` of a sorted set, scored
-- by the time at which it was spent; above 1000 it is part of a counter. The messages above `waiting` are lent: they count at
-- the end of the grant's time until they are settled. Settling a grant that is no longer there changes nothing. A settlement
-- says when they were spent, in ms after made, a space between two; the last time is that of all further ones.
-- In a hash, lent messages cannot be told by when they count, so the field `lent` holds their number, until `lent_until`.
-- Those of a process that died stay in that number while others go on lending, but a full window lends no more.

-- Counts the spare messages of a grant as lent.
local function lend (key, now, lapse, count)
  local ends_at = tonumber(redis.call('HGET', key, 'lent_until')) or 0
  if ends_at <= now or ends_at > now + lapse then redis.call('HSET', key, 'lent', 0) end
  redis.call('HINCRBY', key, 'lent', count)
  redis.call('HSET', key, 'lent_until', string.format('%.0f', now + lapse))
end

-- Returns how many messages are lent, and for how many ms more.
local function read_lent (key, now, lapse)
  local held = redis.call('HMGET', key, 'lent', 'lent_until')
  local lent, left = tonumber(held[1]) or 0, (tonumber(held[2]) or 0) - now
  if lent <= 0 or left <= 0 or left > lapse then return 0, 0 end
  return lent, left
end

local function settle_grant (key, width, lapse, now, grant)
  -- Gone, or of the other type because the limit crossed 1000 meanwhile.
  if redis.call('TYPE', key).ok ~= (width > 0 and 'hash' or 'zset') then return end
  -- Not ahead of now, where the holder's clock or a slow call may put it: there stands only what is lent.
  local function spent_at (nth)
    local ms = grant.spent_ms[math.min(nth, #grant.spent_ms)] or 0
    return math.min(now, grant.made_at + math.max(0, ms))
  end
  local used = math.max(grant.waiting, math.min(grant.spent, grant.granted))
  if width > 0 then
    local number = math.floor((grant.made_at + lapse) / width)
    local held = redis.call('HGET', key, number)
    if not held then return end
    local spare = math.min(grant.granted - grant.waiting, tonumber(held))
    if spare == 0 then return end
    add_to_window(key, width, grant.made_at + lapse, -spare)
    add_to_window(key, width, math.min(spent_at(#grant.spent_ms), grant.made_at + lapse), math.min(spare, used - grant.waiting))
    if now < grant.made_at + lapse then redis.call('HINCRBY', key, 'lent', -spare) end
    return
  end
  local unspent, spent = {}, {}
  for i = used + 1, grant.granted do
    unspent[#unspent + 1] = grant.nonce .. ':' .. i
  end
  for i = grant.waiting + 1, used do
    spent[#spent + 1] = spent_at(i - grant.waiting)
    spent[#spent + 1] = grant.nonce .. ':' .. i
  end
  if #unspent > 0 then redis.call('ZREM', key, unpack(unspent)) end
  if #spent > 0 then redis.call('ZADD', key, 'XX', 'LT', unpack(spent)) end
end

-- Reads one settlement from ARGV, from index `at` on.
local function read_settlement (at)
  local spent_ms = {}
  for ms in string.gmatch(ARGV[at + 5], '[^ ]+') do spent_ms[#spent_ms + 1] = tonumber(ms) end
  return {
    nonce = ARGV[at],
    made_at = tonumber(ARGV[at + 1]),
    waiting = tonumber(ARGV[at + 2]),
    granted = tonumber(ARGV[at + 3]),
    spent = tonumber(ARGV[at + 4]),
    spent_ms = spent_ms
  }
end
