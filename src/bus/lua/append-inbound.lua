-- Adds a client's message to the stream, unless too much waits there, of all or of its user; never trims the stream: what is
-- stored is the back end's. Waiting is all that was added from the stream's oldest entry on.
--
-- Beside the stream stand two lists of what was added, oldest first: `<id of the entry> <bytes added before it> <and with it>`,
-- counted since the list began. So what waits is a difference of its ends, which cannot drift: there is no counter that
-- somebody must take back. Items of entries that the back end has deleted are dropped only when the lists say that it is full,
-- and at each 128th message, as the id of the stream's oldest entry can be read only with all of its data.
--
-- A list that holds something else, or that this user of Redis may not read, limits nothing and costs no message.
--
-- KEYS[1]  the stream
-- KEYS[2]  list of what was added
-- KEYS[3]  list of what this user added
-- ARGV[1]  most entries
-- ARGV[2]  most bytes that may wait
-- ARGV[3]  most bytes of one user that may wait
-- ARGV[4]  bytes of this message
-- ARGV[5]  how long the first list is kept after a message, ms
-- ARGV[6]  the same of the second list, ms
-- ARGV[7…] names and values of the entry's fields
-- returns  1 stored, 2 stored but not counted, 0 full, -1 full for this user
local stream = KEYS[1]
local max_entries = tonumber(ARGV[1])
local size = tonumber(ARGV[4])
local entries = redis.call('XLEN', stream)
local lists = {
  { key = KEYS[2], most = tonumber(ARGV[2]), kept = ARGV[5], full = 0 },
  { key = KEYS[3], most = tonumber(ARGV[3]), kept = ARGV[6], full = -1 }
}
local TRIM_EVERY = 128

local function parse_id (id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

-- The item at a place of a list (-1: the last); nil where there is none. What cannot be read marks the list.
local function read_item (list, place)
  local text = redis.pcall('LINDEX', list.key, place)
  if not text then return nil end
  local item = {}
  if type(text) == 'string' then
    local id, before, after = string.match(text, '^(%d+%-%d+) (%d+) (%d+)$')
    if id then item.id, item.before, item.after = id, tonumber(before), tonumber(after) end
  end
  if not item.id then
    list.broken = true
    return nil
  end
  return item
end

-- Bytes added since the list began, and those of them that wait.
local function measure (list)
  local last = read_item(list, -1)
  local first = last and read_item(list, 0)
  if not first then return 0, 0 end
  return last.after, last.after - first.before
end

-- Drops a list's items of entries before `oldest`: the first that stays is looked for in steps that double, then halve.
local function drop_before (list, oldest)
  local ms, seq = parse_id(oldest)
  local function is_gone (place)
    local item = read_item(list, place)
    if not item then return false end
    local item_ms, item_seq = parse_id(item.id)
    return item_ms < ms or (item_ms == ms and item_seq < seq)
  end
  local low, high = 0, 1
  while is_gone(high - 1) do
    low = high
    high = high * 2
  end
  high = high - 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_gone(middle) then low = middle + 1 else high = middle end
  end
  if low > 0 then redis.pcall('LTRIM', list.key, low, -1) end
end

-- The id of the stream's oldest entry: nil when it is empty, false when it may not be read.
local function find_oldest ()
  -- As many items as entries: none was handled, and no data need be read.
  local first = redis.pcall('LLEN', KEYS[2]) == entries and read_item(lists[1], 0)
  if first then return first.id end
  local oldest = redis.pcall('XRANGE', stream, '-', '+', 'COUNT', 1)
  if oldest.err then return false end
  return oldest[1] and oldest[1][1]
end

local function drop_handled ()
  local oldest = find_oldest()
  for _, list in ipairs(lists) do
    if oldest then drop_before(list, oldest)
    elseif oldest == nil then redis.pcall('LTRIM', list.key, 1, 0)
    else list.broken = true end
  end
end

-- What a message that does not fit is told; nil when it fits.
local function find_full ()
  for _, list in ipairs(lists) do
    local _, waiting = measure(list)
    if not list.broken and waiting + size > list.most then return list.full end
  end
  return nil
end

if entries >= max_entries then return 0 end
if entries == 0 or find_full() then drop_handled() end
local full = find_full()
if full then return full end

local id = redis.call('XADD', stream, '*', unpack(ARGV, 7))
entries = entries + 1
local is_counted = true
for _, list in ipairs(lists) do
  local before = measure(list)
  local length = list.broken or redis.pcall('RPUSH', list.key, string.format('%s %.0f %.0f', id, before, before + size))
  if type(length) == 'number' then
    redis.pcall('PEXPIRE', list.key, list.kept)
    if length > max_entries then redis.pcall('LTRIM', list.key, -max_entries, -1) end
    list.length = length
  else
    is_counted = false
  end
end
if (lists[1].length or 1) % TRIM_EVERY == 0 then drop_handled() end
return is_counted and 1 or 2
