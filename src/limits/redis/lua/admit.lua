-- Gives leases back, then decides upgrade attempts: the address's window first, then the user's slots; keeps the records of
-- the leases that were taken.
--
-- Fixed: 0-1 KEYS, 7 ARGV. Each release: 1 KEYS, 0 ARGV. Each attempt: 1-4 KEYS, 1-4 ARGV.
-- KEYS  [1] the node's records, a hash by connection id; only where records are kept
--       of each release, the user's sorted set
--       of each attempt, those that it asks for:
--         address  a list of the last `limit` times in ms (limit up to 1000), else a hash of sub-windows
--         pass   exists once this pass of this address is spent, until it would expire
--         user     a sorted set of connection ids, scored by the time at which their leases end
--         topic    where the user's own topic is numbered (see history/lua)
-- ARGV  [1] limit per address and window
--       [2] the window, ms
--       [3] the width of a sub-window, ms; 0: the window is exact
--       [4] slots per user
--       [5] a lease, ms
--       [6] how long records stay after the last one came, ms; 0: no records are kept
--       [7] the connection ids that are released, a space between two
--       then of each attempt `a` (address only), `u<connection id>` (user only) or `b<connection id>` (both), with a pass
--       `A` or `B<connection id>`; if it has a record to keep, a space and the record, in the same argument
--       with a pass, next, for how many ms it stays spent
--       `v`, `c`, `C` are `u`, `b`, `B` with the user's own topic: next, epoch, offset and listener as read-heads.lua takes them
-- Returns one answer per attempt: 0 admitted; n > 0 refused by the address for n ms; -1 refused by the user's slots; a text that
-- begins with `=`: admitted, and what answers read-heads.lua; any other text: what went wrong with this attempt alone. After them {the place of a key, what went wrong with it, ...} of releases and records.
--
-- settings
-- include: clock.lua
-- include: items.lua
-- include: sub-windows.lua
-- include: leases.lua
-- include: ../../../../history/lua/include/topic.lua
-- include: ../../../../history/lua/include/head.lua
-- include: ../../../../history/lua/include/announce.lua
-- include: ../../../../history/lua/include/visible.lua
-- include: ../../../../history/lua/include/answer-head.lua

local limit = tonumber(ARGV[1])
local window = tonumber(ARGV[2])
local width = tonumber(ARGV[3])
local slots = tonumber(ARGV[4])
local lease = tonumber(ARGV[5])
local keep = tonumber(ARGV[6])
local released = read_ids(ARGV[7])
local FIXED = 7

-- Counts an attempt and returns 0, or returns the wait. A refused attempt does not count.
local function enter_exact (key)
  local oldest = redis.pcall('LINDEX', key, -limit)
  if type(oldest) == 'table' then
    start_anew(key, 'hash', 'LINDEX', key, -limit)
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
  if open_window(key, window, width, 0, now, 'list') >= limit then return wait_for_window(key, window, width, limit, now) end
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
  -- A lease that ends later than one taken now: the clock was set back. It gets one lease from now, and does not stay until the
  -- old time returns.
  local latest = string.format('%.0f', now + lease)
  for _, late in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. latest, '+inf', 'LIMIT', 0, 100)) do
    redis.call('ZADD', key, latest, late)
  end
  return -1
end

local enter = width == 0 and enter_exact or enter_counted
-- Each part may be absent. A pass that was spent already spares nothing.
local function decide (address, pass, pass_ms, user, id)
  local is_spared = pass and redis.call('SET', pass, 1, 'NX', 'PX', pass_ms)
  local wait = address and not is_spared and enter(address) or 0
  if wait > 0 or not user then return wait end
  return take_slot(user, id)
end

local key_at, argument_at = keep > 0 and 1 or 0, FIXED
local function next_key ()
  key_at = key_at + 1
  return KEYS[key_at]
end
local function next_argument ()
  argument_at = argument_at + 1
  return ARGV[argument_at]
end

local failures = {}
-- Before the attempts, so that a user who reconnects at once finds the slot free.
give_back(released, key_at, keep > 0 and 1, failures)
key_at = key_at + #released
local verdicts, records = {}, {}
while argument_at < #ARGV do
  local asked = next_argument()
  local kind, id, record_at = string.match(asked, '^(.)([^ ]*) ?()')
  local has_pass = kind == 'A' or kind == 'B' or kind == 'C'
  local address = kind ~= 'u' and kind ~= 'v' and next_key()
  local pass, pass_ms = has_pass and next_key(), has_pass and next_argument()
  local user = kind ~= 'a' and kind ~= 'A' and next_key()
  local has_topic = kind == 'v' or kind == 'c' or kind == 'C'
  local topic, epoch, offset = has_topic and next_key(), has_topic and next_argument(), has_topic and next_argument()
  local listener = has_topic and next_argument()
  local verdict = try(decide, address, pass, pass_ms, user, id)
  if verdict == 0 and user and record_at <= #asked then
    records[#records + 1] = id
    records[#records + 1] = string.sub(asked, record_at)
  end
  if verdict == 0 and topic then
    -- A topic that cannot be read keeps nobody out.
    local is_read, head = pcall(read_head, topic, epoch, tonumber(offset), listener)
    if is_read then verdict = '=' .. head end
  end
  verdicts[#verdicts + 1] = verdict
end
if #records > 0 then
  -- Not `call`: a fault of the records must not refuse an attempt.
  for _, done in ipairs({ redis.pcall('HSET', KEYS[1], unpack(records)), redis.pcall('PEXPIRE', KEYS[1], keep) }) do
    if type(done) == 'table' then note_failure(failures, 1, done.err) end
  end
end
for _, failure in ipairs(failures) do verdicts[#verdicts + 1] = failure end
return verdicts
