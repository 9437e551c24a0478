-- Gives leases back, then decides upgrade attempts: the address's window first, then the user's slots; keeps the records of
-- the leases that were taken.
--
-- Fixed: 0-1 KEYS, 2 ARGV. Each release: 1 KEYS, 0 ARGV. Each attempt: 1-4 KEYS, 1-4 ARGV.
-- KEYS  [1] the node's records, a hash by connection id; only where records are kept
--       of each release, the user's sorted set
--       of each attempt, those that it asks for:
--         address  a list of the last `limit` times in ms (limit up to 1000), else a hash of sub-windows
--         pass   exists once this pass of this address is spent, until it would expire
--         user     a sorted set of connection ids, scored by the time at which their leases end
--         topic    where the user's own topic is numbered (see history/lua)
-- ARGV  [1] the connection ids that are released, a space between two
--       [2] who listens to users' own topics, as read-heads.lua takes it; '' where none is read
--       then of each attempt `a` (address only), `u<connection id>` (user only) or `b<connection id>` (both), with a pass
--       `A` or `B<connection id>`; if it has a record to keep, a space and the record, in the same argument
--       with a pass, next, for how many ms it stays spent
--       `v`, `c`, `C` are `u`, `b`, `B` with the user's own topic; `w`, `d`, `D` the same and next a position: epoch and offset
-- Returns one answer per attempt: 0 admitted; n > 0 refused by the address for n ms; -1 refused by the user's slots; a text that
-- begins with `=`: admitted, and what answers read-heads.lua; any other text: what went wrong with this attempt alone. After them {the place of a key, what went wrong with it, ...} of releases and records.
--
-- The limits stand in the text (see scripts.ts), and it has those parts only that they need: this is what each upgrade costs Redis.
--
-- settings
-- include: clock.lua
-- As text: Lua would write them anew for each command, in three times as long.
local now_text, ends_at = string.format('%.0f', now), string.format('%.0f', now + LEASE)
-- include: items.lua
-- include: leases.lua
-- include: start-anew.lua
-- include where exact: enter-exact.lua
-- include where counted: sub-windows.lua
-- include where counted: enter-counted.lua
-- include where topics: ../../../../history/lua/include/lives.lua
-- include where topics: ../../../../history/lua/include/replication-id.lua
-- include where topics: ../../../../history/lua/include/note-process.lua
-- include where topics: ../../../../history/lua/include/known-head.lua
-- include where topics: own-topic.lua

local function take_slot (key, id)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now_text)
  if redis.call('ZCARD', key) < SLOTS or redis.call('ZSCORE', key, id) then
    redis.call('ZADD', key, ends_at, id)
    redis.call('PEXPIRE', key, LEASE_TEXT)
    return 0
  end
  -- A lease that ends later than one taken now: the clock was set back. It gets one lease from now, and does not stay until the
  -- old time returns.
  for _, late in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. ends_at, '+inf', 'LIMIT', 0, 100)) do
    redis.call('ZADD', key, ends_at, late)
  end
  return -1
end

-- Each part may be absent. A pass that was spent already spares nothing.
local function decide (address, pass, pass_ms, user, id)
  local is_spared = pass and redis.call('SET', pass, 1, 'NX', 'PX', pass_ms)
  local wait = address and not is_spared and enter(address) or 0
  if wait > 0 or not user then return wait end
  return take_slot(user, id)
end

local failures = {}
local key_at = KEEP > 0 and 1 or 0
local released = ARGV[1] == '' and {} or read_ids(ARGV[1])
-- Before the attempts, so that a user who reconnects at once finds the slot free.
give_back(released, key_at, failures)
key_at = key_at + #released
local listener = ARGV[2]
local verdicts, records = {}, {}
local argument_at = 3
while ARGV[argument_at] do
  local asked = ARGV[argument_at]
  local kind, id, record_at = string.match(asked, '^(.)([^ ]*) ?()')
  local address, pass, pass_ms, user, topic, epoch, offset
  if kind ~= 'u' and kind ~= 'v' and kind ~= 'w' then key_at, address = key_at + 1, KEYS[key_at + 1] end
  if kind == 'A' or kind == 'B' or kind == 'C' or kind == 'D' then
    key_at, pass = key_at + 1, KEYS[key_at + 1]
    argument_at, pass_ms = argument_at + 1, ARGV[argument_at + 1]
  end
  if kind ~= 'a' and kind ~= 'A' then key_at, user = key_at + 1, KEYS[key_at + 1] end
  if kind == 'w' or kind == 'd' or kind == 'D' then
    key_at, topic = key_at + 1, KEYS[key_at + 1]
    argument_at, epoch, offset = argument_at + 2, ARGV[argument_at + 1], tonumber(ARGV[argument_at + 2])
  elseif kind == 'v' or kind == 'c' or kind == 'C' then
    key_at, topic = key_at + 1, KEYS[key_at + 1]
  end
  argument_at = argument_at + 1
  local verdict = try(decide, address, pass, pass_ms, user, id)
  if verdict == 0 and user and record_at <= #asked then
    records[#records + 1] = id
    records[#records + 1] = string.sub(asked, record_at)
  end
  if verdict == 0 and topic then
    -- A topic that cannot be read keeps nobody out.
    local is_read, head = pcall(read_own_topic, listener, topic, true, epoch, offset)
    if is_read then verdict = '=' .. head end
  end
  verdicts[#verdicts + 1] = verdict
end
if KEEP > 0 then
  -- Not `call`: a fault of the records must not refuse an attempt.
  local kept = #records > 0 and redis.pcall('HSET', KEYS[1], unpack(records))
  -- Where a record was before, in a hash that is not empty now, the hash has its time to live; a heartbeat tells it anew.
  local had_some = forget_records(released, 1, failures) > 0
  if kept and not had_some and type(kept) == 'number' then kept = redis.pcall('PEXPIRE', KEYS[1], KEEP_TEXT) end
  if type(kept) == 'table' then note_failure(failures, 1, kept.err) end
end
for _, failure in ipairs(failures) do verdicts[#verdicts + 1] = failure end
return verdicts
