-- Reads limits as they stand, for an operator's question: writes nothing.
--
-- Fixed: 0 KEYS, 3 ARGV. Each question: 1 KEYS, 1 ARGV.
-- KEYS  of each question, an address's attempts or a user's leases, as admit.lua keeps them
-- ARGV  [1] attempts per window
--       [2] the window in ms
--       [3] the width of a sub-window in ms; 0: the window is exact
--       then of each question `a` (address) or `u` (user)
-- Returns of each question {how many count now, ms until the oldest leaves or 0, ms until an attempt is let in or 0}, of a user {how many
-- leases stand, 0, 0}, or a text: what went wrong with it alone.
--
-- include: clock.lua
-- include: items.lua
local limit, window, width = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

-- Where the limit was on the other side of 1000 before, the key has the other type, and an attempt starts it anew.
local function is_former (key, former)
  return redis.call('TYPE', key).ok == former
end

-- LINDEX alone, from the newest: the user of Redis needs no right that admit.lua does not need.
local function read_exact (key)
  if is_former(key, 'hash') then return { 0, 0, 0 } end
  local used, oldest = 0, nil
  while used < limit do
    local at = tonumber(redis.call('LINDEX', key, -used - 1))
    -- More than two windows ahead can only be a clock that was set back: it does not lock out.
    if not at or at + window <= now or at - now > window then break end
    used, oldest = used + 1, at
  end
  local reset = oldest and oldest + window - now or 0
  return { used, reset, used >= limit and reset or 0 }
end

local function read_counted (key)
  if is_former(key, 'list') then return { 0, 0, 0 } end
  local low, highest = math.floor((now - window) / width), math.floor((now + window) / width)
  local numbers, counts, sum = {}, {}, 0
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local number = tonumber(fields[i])
    if number and number >= low and number <= highest then
      numbers[#numbers + 1], counts[number] = number, tonumber(fields[i + 1])
      sum = sum + counts[number]
    end
  end
  table.sort(numbers)
  local wait, left = 0, sum
  for _, number in ipairs(numbers) do
    if left < limit then break end
    left = left - counts[number]
    wait = math.max(1, (number + 1) * width + window - now)
  end
  local reset = numbers[1] and math.max(1, (numbers[1] + 1) * width + window - now) or 0
  return { sum, reset, wait }
end

local function read_slots (key)
  return { redis.call('ZCARD', key) - #redis.call('ZRANGEBYSCORE', key, '-inf', now), 0, 0 }
end

local answers = {}
for i, key in ipairs(KEYS) do
  local read = ARGV[i + 3] == 'u' and read_slots or width == 0 and read_exact or read_counted
  answers[i] = try(read, key)
end
return answers
