-- Decides upgrade attempts: the address's window first, then the user's slots.
--
-- Fixed: 0 KEYS, 5 ARGV. Each attempt: 1-2 KEYS, 1 ARGV.
-- KEYS  of each attempt, those that it asks for:
--         address  a list of the last `limit` times in ms (limit up to 1000), else a hash of sub-windows
--         user     a sorted set of connection ids, scored by the time at which their lease ends
-- ARGV  [1] limit per address and window
--       [2] the window, ms
--       [3] the width of a sub-window, ms; 0: the window is exact
--       [4] slots per user
--       [5] a lease, ms
--       then of each attempt `a` (address only), `u<connection id>` (user only) or `b<connection id>` (both)
-- Returns one integer per attempt: 0 admitted; n > 0 refused by the address for n ms; -1 refused by the user's slots.
--
-- include: clock.lua
-- include: sub-windows.lua

local limit = tonumber(ARGV[1])
local window = tonumber(ARGV[2])
local width = tonumber(ARGV[3])
local slots = tonumber(ARGV[4])
local lease = tonumber(ARGV[5])
local FIXED = 5

-- Counts an attempt and returns 0, or returns the wait. A refused attempt does not count.
local function enter_exact (key)
  local oldest = redis.pcall('LINDEX', key, -limit)
  if type(oldest) == 'table' then
    -- The limit was above 1000 before: another type. It starts anew.
    redis.call('DEL', key)
  elseif oldest then
    local wait = oldest + window - now
    -- More than two windows can only be a clock that was set back: without this it would lock out until the old time returns.
    if wait > 0 and wait <= 2 * window then return wait end
  end
  if redis.call('RPUSH', key, now) > limit then redis.call('LTRIM', key, -limit, -1) end
  redis.call('PEXPIRE', key, window)
  return 0
end

local function enter_counted (key)
  if open_window(key, window, width, 0, now) >= limit then return wait_for_window(key, window, width, limit, now) end
  add_to_window(key, width, now, 1)
  return 0
end

local function take_slot (key, id)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  if redis.call('ZCARD', key) < slots or redis.call('ZSCORE', key, id) then
    redis.call('ZADD', key, now + lease, id)
    redis.call('PEXPIRE', key, lease)
    return 0
  end
  -- A lease further ahead than a whole lease: the clock was set back. It gets one lease more, not until the old time returns.
  local latest = string.format('%.0f', now + lease)
  for _, late in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. latest, '+inf', 'LIMIT', 0, 100)) do
    redis.call('ZADD', key, latest, late)
  end
  return -1
end

local enter = width == 0 and enter_exact or enter_counted
local verdicts = {}
local next_key = 1
for i = FIXED + 1, #ARGV do
  local kind = string.sub(ARGV[i], 1, 1)
  local verdict = 0
  if kind ~= 'u' then
    verdict = enter(KEYS[next_key])
    next_key = next_key + 1
  end
  if kind ~= 'a' then
    if verdict == 0 then verdict = take_slot(KEYS[next_key], string.sub(ARGV[i], 2)) end
    next_key = next_key + 1
  end
  verdicts[#verdicts + 1] = verdict
end
return verdicts
