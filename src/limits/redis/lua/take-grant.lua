-- Takes messages from the windows of addresses, each after the settlements of its earlier grants.
--
-- Fixed: 0 KEYS, 5 ARGV. Each grant: 1 KEYS, 5 ARGV. Each settlement: 0 KEYS, 6 ARGV.
-- KEYS  of each grant, the address's messages: a sorted set of messages scored by time in ms (limit up to 1000), else a hash of
--       sub-windows. On a cluster there is one grant
-- ARGV  [1] limit per address and window
--       [2] the window, ms
--       [3] the width of a sub-window, ms; 0: the window is exact
--       [4] how long a grant may stay unsettled, ms
--       [5] how long what is lent ahead may stay unsettled, ms; 0: nothing is lent ahead
--       then of each grant: messages waiting now; spare: messages to take along if the window has plenty left; nonce: the name of this
--       grant, used once; ahead: messages to lend ahead instead of spare ones, if less than half of the window is used; how many
--       settlements there are, and of each: nonce, time made (ms), messages that waited, granted, spent, when (see grants.lua)
-- Returns of each grant {granted, ms until one more can be had (0 when all that waited were granted), time made in ms, ms until what
-- is lent counts as spent, [4] at most (0 unless that alone makes the window full), 1 if some of that was lent ahead, else 0}, or the
-- text of what went wrong with it.
--
-- include: clock.lua
-- include: items.lua
-- include: start-anew.lua
-- include: sub-windows.lua
-- include: grants.lua

local limit = tonumber(ARGV[1])
local window = tonumber(ARGV[2])
local width = tonumber(ARGV[3])
local lapse = tonumber(ARGV[4])
local lent_for = tonumber(ARGV[5])
local longest = math.max(lapse, lent_for)
local FEW = 4

local function open_exact (key)
  if type(redis.pcall('ZREMRANGEBYSCORE', key, '-inf', now - window)) == 'table' then
    start_anew(key, 'hash', 'ZREMRANGEBYSCORE', key, '-inf', now - window)
  end
  -- Further ahead than one window: the clock was set back.
  redis.call('ZREMRANGEBYSCORE', key, string.format('(%.0f', now + longest + window), '+inf')
  return redis.call('ZCARD', key)
end

-- Messages that waited are scored now. Those that are lent are scored at the end of the grant's time, ahead of all that is
-- spent, until they are settled.
local function add_exact (key, nonce, waited, granted, ends_at)
  local members = {}
  for i = 1, granted do
    members[#members + 1] = i <= waited and now or ends_at
    members[#members + 1] = nonce .. ':' .. i
  end
  redis.call('ZADD', key, unpack(members))
  redis.call('PEXPIRE', key, window + longest)
end

local function add_counted (key, waited, granted)
  add_to_window(key, width, now, waited)
  if granted == waited then return end
  add_to_window(key, width, now + lapse, granted - waited)
  lend(key, now, lapse, granted - waited)
end

local function wait_exact (key, used)
  local leaving = redis.call('ZRANGE', key, used - limit, used - limit, 'WITHSCORES')
  return leaving[2] and math.max(1, leaving[2] + window - now) or 1
end

-- Members scored ahead of now are lent: a spent message is scored by when it was spent. Further ahead: the clock was set back.
local function unsettled_exact (key)
  local first, last = string.format('(%.0f', now), string.format('%.0f', now + longest)
  local latest = redis.call('ZREVRANGEBYSCORE', key, last, first, 'WITHSCORES', 'LIMIT', 0, 1)
  if not latest[2] then return 0, 0 end
  return redis.call('ZCOUNT', key, first, last), latest[2] - now
end

-- Never beyond half of the window.
local function lend_ahead (used, spare, ahead)
  if width > 0 or lent_for == 0 or spare > 0 then return 0 end
  return math.max(0, math.min(ahead, math.floor(limit / 2) - used))
end

-- Why not all that waited were granted: how long until one more can be had, and what is lent of it.
local function explain_lack (key, used)
  local lent, unsettled
  if width == 0 then lent, unsettled = unsettled_exact(key) else lent, unsettled = read_lent(key, now, lapse) end
  if used - lent >= limit then unsettled = 0 end
  return width == 0 and wait_exact(key, used) or wait_for_window(key, window, width, limit, now), unsettled
end

-- `at`: where its part of ARGV begins.
local function take (key, at)
  local waiting, spare, nonce, ahead = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2], tonumber(ARGV[at + 3])
  for nth = 1, tonumber(ARGV[at + 4]) do settle_grant(key, width, lapse, now, read_settlement(at + 6 * nth - 1)) end
  local used = width == 0 and open_exact(key) or open_window(key, window, width, lapse, now, 'zset')
  local left = math.max(0, limit - used)
  local waited = math.min(waiting, left)
  local rest = left - waited
  -- At most half of what is left, and none of the last few: near the limit processes share by single messages.
  local extra = rest >= FEW and math.min(spare, math.floor(rest / 2)) or 0
  local lent_ahead = lend_ahead(used + waited, spare, ahead)
  local granted = waited + extra + lent_ahead
  if granted > 0 and width == 0 then add_exact(key, nonce, waited, granted, now + (lent_ahead > 0 and lent_for or lapse)) end
  if granted > 0 and width > 0 then add_counted(key, waited, granted) end
  if waited == waiting then return { granted, 0, now, 0, 0 } end
  local wait, unsettled = explain_lack(key, used + granted)
  -- Later than any other grant ends: it was lent ahead. Its holders are asked for it, and answer within the time of a settlement.
  return { granted, wait, now, math.min(unsettled, lapse), unsettled > lapse and 1 or 0 }
end

local answers, at = {}, 6
for i, key in ipairs(KEYS) do
  answers[i] = try(take, key, at)
  at = at + 5 + 6 * ARGV[at + 4]
end
return answers
