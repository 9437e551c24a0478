-- Settles earlier grants of one address, then takes a new one from its message window.
--
-- Fixed: 1 KEYS, 9 ARGV. Each settlement: 0 KEYS, 6 ARGV.
-- KEYS  [1] the address's messages: a sorted set of messages scored by time in ms (limit up to 1000), else a hash of sub-windows
-- ARGV  [1] limit per address and window
--       [2] the window, ms
--       [3] the width of a sub-window, ms; 0: the window is exact
--       [4] how long a grant may stay unsettled, ms
--       [5] messages waiting now
--       [6] spare: messages to take along if the window has plenty left
--       [7] nonce: the name of this grant, used once
--       [8] ahead: messages to lend ahead instead of spare ones, if less than half of the window is used
--       [9] how long what is lent ahead may stay unsettled, ms; 0: nothing is lent ahead
--       then of each settlement: nonce, time made (ms), messages that waited, granted, spent, when (see grants.lua)
-- Returns {granted, ms until one more can be had (0 when all that waited were granted), time made in ms, ms until what is
-- lent counts as spent, [4] at most (0 unless that alone makes the window full), 1 if some of that was lent ahead, else 0}.
--
-- include: clock.lua
-- include: start-anew.lua
-- include: sub-windows.lua
-- include: grants.lua

local key = KEYS[1]
local limit = tonumber(ARGV[1])
local window = tonumber(ARGV[2])
local width = tonumber(ARGV[3])
local lapse = tonumber(ARGV[4])
local waiting = tonumber(ARGV[5])
local spare = tonumber(ARGV[6])
local nonce = ARGV[7]
local ahead = tonumber(ARGV[8])
local lent_for = tonumber(ARGV[9])
local longest = math.max(lapse, lent_for)
local FIXED = 9
local FEW = 4

local function open_exact ()
  if type(redis.pcall('ZREMRANGEBYSCORE', key, '-inf', now - window)) == 'table' then
    start_anew(key, 'hash', 'ZREMRANGEBYSCORE', key, '-inf', now - window)
  end
  -- Further ahead than one window: the clock was set back.
  redis.call('ZREMRANGEBYSCORE', key, string.format('(%.0f', now + longest + window), '+inf')
  return redis.call('ZCARD', key)
end

-- Messages that waited are scored now. Those that are lent are scored at the end of the grant's time, ahead of all that is
-- spent, until they are settled.
local function add_exact (waited, granted, ends_at)
  local members = {}
  for i = 1, granted do
    members[#members + 1] = i <= waited and now or ends_at
    members[#members + 1] = nonce .. ':' .. i
  end
  redis.call('ZADD', key, unpack(members))
  redis.call('PEXPIRE', key, window + longest)
end

local function add_counted (waited, granted)
  add_to_window(key, width, now, waited)
  if granted == waited then return end
  add_to_window(key, width, now + lapse, granted - waited)
  lend(key, now, lapse, granted - waited)
end

local function wait_exact (used)
  local leaving = redis.call('ZRANGE', key, used - limit, used - limit, 'WITHSCORES')
  return leaving[2] and math.max(1, leaving[2] + window - now) or 1
end

-- Members scored ahead of now are lent: a spent message is scored by when it was spent. Further ahead: the clock was set back.
local function unsettled_exact ()
  local first, last = string.format('(%.0f', now), string.format('%.0f', now + longest)
  local latest = redis.call('ZREVRANGEBYSCORE', key, last, first, 'WITHSCORES', 'LIMIT', 0, 1)
  if not latest[2] then return 0, 0 end
  return redis.call('ZCOUNT', key, first, last), latest[2] - now
end

-- Never beyond half of the window.
local function lend_ahead (used)
  if width > 0 or lent_for == 0 or spare > 0 then return 0 end
  return math.max(0, math.min(ahead, math.floor(limit / 2) - used))
end

for at = FIXED + 1, #ARGV, 6 do
  settle_grant(key, width, lapse, now, read_settlement(at))
end
local used = width == 0 and open_exact() or open_window(key, window, width, lapse, now, 'zset')
local left = math.max(0, limit - used)
local waited = math.min(waiting, left)
local rest = left - waited
-- At most half of what is left, and none of the last few: near the limit processes share by single messages.
local extra = rest >= FEW and math.min(spare, math.floor(rest / 2)) or 0
local lent_ahead = lend_ahead(used + waited)
local granted = waited + extra + lent_ahead
if granted > 0 then
  if width == 0 then add_exact(waited, granted, now + (lent_ahead > 0 and lent_for or lapse)) else add_counted(waited, granted) end
end
if waited == waiting then return { granted, 0, now, 0, 0 } end
used = used + granted
local lent, unsettled
if width == 0 then lent, unsettled = unsettled_exact() else lent, unsettled = read_lent(key, now, lapse) end
if used - lent >= limit then unsettled = 0 end
local wait = width == 0 and wait_exact(used) or wait_for_window(key, window, width, limit, now)
-- Later than any other grant ends: it was lent ahead. Its holders are asked for it, and answer within the time of a settlement.
return { granted, wait, now, math.min(unsettled, lapse), unsettled > lapse and 1 or 0 }
