-- A sliding window of counters, for limits too high to keep every time stamp.
-- A hash: one field per sub-window (its number: time / width), `sum` of them all, and `low`, the lowest sub-window that
-- still reaches into the window. A partly covered sub-window counts in full, so that no window ever exceeds the limit.

-- Brings the window up to date and returns its sum. `ahead`: how far into the future counts may lie, in ms. `former`: the
-- type of the key while its limit was at most 1000.
local function open_window (key, window, width, ahead, now, former)
  local low = math.floor((now - window) / width)
  local head = redis.pcall('HMGET', key, 'low', 'sum')
  if head.err then
    start_anew(key, former, 'HMGET', key, 'low', 'sum')
    head = {}
  end
  if tonumber(head[1]) == low then return tonumber(head[2]) end
  -- Further ahead than one window: the clock was set back. Forgotten, or it would lock out until the old time returns.
  local highest = math.floor((now + ahead + window) / width)
  local sum = 0
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local number = tonumber(fields[i])
    if number then
      if number < low or number > highest then redis.call('HDEL', key, fields[i]) else sum = sum + fields[i + 1] end
    end
  end
  redis.call('HSET', key, 'low', low, 'sum', sum)
  redis.call('PEXPIRE', key, window + ahead + 2 * width)
  return sum
end

local function add_to_window (key, width, at, count)
  redis.call('HINCRBY', key, math.floor(at / width), count)
  redis.call('HINCRBY', key, 'sum', count)
end

-- How long until fewer than `limit` are left, in ms.
local function wait_for_window (key, window, width, limit, now)
  local numbers, counts, sum = {}, {}, 0
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local number = tonumber(fields[i])
    if number then
      numbers[#numbers + 1] = number
      counts[number] = tonumber(fields[i + 1])
      sum = sum + fields[i + 1]
    end
  end
  table.sort(numbers)
  for _, number in ipairs(numbers) do
    sum = sum - counts[number]
    if sum < limit then return math.max(1, (number + 1) * width + window - now) end
  end
  return 1
end
