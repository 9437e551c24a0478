-- Adds a client's message to the stream, unless too much waits there, of all or of its user; never trims the stream: what is
-- stored is the back end's. Waiting is all that was added from the stream's oldest entry on.
--
-- Beside the stream stand two lists of what was added, oldest first: `<id of the entry> <bytes added before it> <and with it>`,
-- counted since the list began. So what waits is a difference of a list's ends, which cannot drift: there is no counter that
-- somebody must take back. The id of the stream's oldest entry can be read only with all of its data. So items of entries that
-- the back end has handled stay until a message does not fit, or for 128 messages, 32 of one user; and a list that is full all the same is
-- marked, by `<entries of the stream> <id of the newest> <time, ms>` behind its first item: while that is so, it is full for a
-- second. (The time is for entries of the build before, which are in no list: they could hide that others have gone.)
--
-- A list that holds something else, or that this user of Redis may not read, limits nothing and costs no message.
--
-- KEYS[1]  the stream
-- KEYS[2]  list of what was added
-- KEYS[3]  list of what this user added
-- ARGV[1]  most entries
-- ARGV[2]  most bytes that may wait
-- ARGV[3]  most bytes of one user that may wait
-- ARGV[4]  bytes that this message counts
-- ARGV[5]  how long a list is kept after a message that it counts, ms
-- ARGV[6…] names and values of the entry's fields
-- returns  1 stored, 2 stored but not counted, 0 full, -1 full for this user
local stream = KEYS[1]
local max_entries = tonumber(ARGV[1])
local size = tonumber(ARGV[4])
local entries = redis.call('XLEN', stream)
local lists = {
  { key = KEYS[2], most = tonumber(ARGV[2]), trim_every = 128, full = 0 },
  { key = KEYS[3], most = tonumber(ARGV[3]), trim_every = 32, full = -1 }
}
local MARK_MS = 1000

local function read_now ()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function parse_id (id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

-- The item at a place of a list (-1: the last); nil where there is none. What cannot be read marks the list as broken.
local function read_item (list, place)
  local text = redis.pcall('LINDEX', list.key, place)
  if not text then return nil end
  local id, before, after, mark
  if type(text) == 'string' then id, before, after, mark = string.match(text, '^(%d+%-%d+) (%d+) (%d+)(.*)$') end
  if not id then
    list.broken = true
    return nil
  end
  return { id = id, before = tonumber(before), after = tonumber(after), mark = mark }
end

local function read_ends (list)
  list.last = read_item(list, -1)
  list.first = list.last and read_item(list, 0)
end

local function is_full (list)
  if list.broken or not list.first then return not list.broken and size > list.most end
  return list.last.after - list.first.before + size > list.most
end

-- What a list is marked with: as long as it stays the same, nothing has come or gone.
local function read_state ()
  return string.format('%.0f %s', entries, lists[1].last and lists[1].last.id or '-')
end

-- Whether it was found full just now.
local function is_marked (list)
  local state, ms = string.match(list.first and list.first.mark or '', '^ (.*) (%d+)$')
  return state == read_state() and math.abs(read_now() - tonumber(ms)) < MARK_MS
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

local function drop_handled ()
  local oldest = redis.pcall('XRANGE', stream, '-', '+', 'COUNT', 1)
  for _, list in ipairs(lists) do
    if oldest.err then list.broken = true
    elseif oldest[1] then drop_before(list, oldest[1][1])
    else redis.pcall('LTRIM', list.key, 1, 0) end
    read_ends(list)
    if list.first and is_full(list) then
      local item = list.first
      local mark = string.format('%s %.0f', read_state(), read_now())
      redis.pcall('LSET', list.key, 0, string.format('%s %.0f %.0f %s', item.id, item.before, item.after, mark))
    end
  end
end

local function find_full ()
  for _, list in ipairs(lists) do
    if is_full(list) then return list end
  end
  return nil
end

if entries >= max_entries then return 0 end
for _, list in ipairs(lists) do read_ends(list) end
local full = find_full()
if entries == 0 or (full and not is_marked(full)) then
  drop_handled()
  full = find_full()
end
if full then return full.full end

local id = redis.call('XADD', stream, '*', unpack(ARGV, 6))
local is_counted, is_due = true, false
for _, list in ipairs(lists) do
  local before = list.last and list.last.after or 0
  local length = list.broken or redis.pcall('RPUSH', list.key, string.format('%s %.0f %.0f', id, before, before + size))
  if type(length) == 'number' then
    redis.pcall('PEXPIRE', list.key, ARGV[5])
    if length > max_entries then redis.pcall('LTRIM', list.key, -max_entries, -1) end
    is_due = is_due or length % list.trim_every == 0
  else
    is_counted = false
  end
end
if is_due then drop_handled() end
return is_counted and 1 or 2
