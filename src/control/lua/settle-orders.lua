-- Joins what a process knows of orders with what Redis keeps, and keeps what counts: of an order and its taking back the
-- later one. The same call reads, gives, takes back, and writes back what Redis has lost; it may be repeated.
-- KEYS[1]  sorted set: orders in force, scored by when they end (ms, Redis's clock). Processes of the build before know only this key
-- KEYS[2]  hash: each order and each taking back by name, "<given µs> <end ms> <+ or -> <incarnation> <reach> <member of KEYS[1]>";
--          and under '' the present incarnation of KEYS[1] with the last end of all
-- ARGV[1]  most orders in force
-- ARGV[2]  what a full set does with a new order: 'refuse', or 'evict' the one that ends first (its member is its name)
-- ARGV[3]  what a new order does to one in force: 'replace' it, or 'widen' it
-- ARGV[4]  the latest time at which the caller has heard of an order, µs: what is given now counts as later
-- ARGV[5]  how long a taking back is kept where nobody knows what it takes back, ms
-- ARGV[6]  member of KEYS[1] that tells one incarnation from another; '@' stands for its number
-- ARGV[7..] six of each order: its name; what is wanted: '?' nothing, '+' or '-' (the caller knows an order or a taking
--          back), 'give' or 'lift' (now); when it was given, µs; what is left of it, ms; its reach; its member
-- returns  now, then of each: given µs, left ms, end ms, state (0 none, 1 in force, 2 taken back, 3 refused: too many), written 0 or 1, member
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)
-- Another program's entry may say any time, 'inf' too: the end of the year 9999 in ms, and what a number holds exactly in µs.
local LATEST, LARGEST = 253402300799000, 9007199254740991
local orders, records = KEYS[1], KEYS[2]
local most, heard, unknown_ms = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5])
local function text (number) return string.format('%.0f', number) end
local function witness_of (incarnation) return (string.gsub(ARGV[6], '@', incarnation)) end

local head = redis.call('HGET', records, '') or ''
local incarnation, last_end = string.match(head, '^(%d+) (%d+)$')
-- When the witness ends, or false: KEYS[1] is not the one that the records were written beside. It was evicted, or deleted.
local witness_end = incarnation and redis.call('ZSCORE', orders, witness_of(incarnation)) or false
last_end = math.min(tonumber(last_end or 0), LATEST)

local function read_record (name)
  local value = redis.call('HGET', records, name)
  if not value then return nil end
  local given, ends, state, beside, reach, member = string.match(value, '^(%d+) (%d+) ([+-]) (%d+) (%S+) (.*)$')
  if not given or tonumber(ends) <= now then
    redis.call('HDEL', records, name)
    return nil
  end
  given = tonumber(given)
  -- No clock says so: it leaves room for what is later.
  if given >= LARGEST then given = math.floor(LARGEST / 2) end
  return {given = given, ends = math.min(tonumber(ends), LATEST), lifted = state == '-', beside = beside, reach = reach, member = member}
end

-- When a member of the sorted set ends; nil: it is not there.
local function read_end (member)
  local score = tonumber(redis.call('ZSCORE', orders, member) or nil)
  return score and math.min(score, LATEST)
end

local function widen (order, other)
  if (tonumber(other.reach) or 0) > (tonumber(order.reach) or 0) then
    order.reach, order.member = other.reach, other.member
  end
  order.ends = math.max(order.ends, other.ends)
end

-- What stands under this name, and whether a process of the build before has changed it: that one knows KEYS[1] alone.
local function read_kept (name, reach, member)
  local kept, changed = read_record(name), false
  if kept and not kept.lifted then
    local score = read_end(kept.member)
    if not score then
      changed = true
      -- The set is whole, so the order was taken out of it; otherwise the set was lost, and the order stands.
      if witness_end and kept.beside == incarnation then
        kept.given, kept.lifted = kept.given + 1, true
      end
    elseif score ~= kept.ends then
      kept.given, kept.ends, changed = kept.given + 1, score, true
    end
  end
  if member ~= '' and (not kept or kept.lifted or kept.member ~= member) then
    local score = read_end(member)
    if score and score > now then
      -- When it was given is not known: just after what it stands beside, and before anything else. A process
      -- that takes back takes all of this name out of the set (find-standing.ts): what stands beside that came later.
      local found = {given = (kept and kept.given or 0) + 1, ends = score, lifted = false, reach = reach, member = member}
      if kept and not kept.lifted then
        if kept.member ~= member then redis.call('ZREM', orders, kept.member, member) end
        widen(found, kept)
      end
      kept, changed = found, true
    end
  end
  return kept, changed
end

local function choose (kept, known, want)
  if want == 'give' or want == 'lift' then
    known.given = math.max(now_us, heard + 1, kept and kept.given + 1 or 0)
    if want == 'give' and ARGV[3] == 'widen' and kept and not kept.lifted then widen(known, kept) end
    return known
  end
  if want == '?' then return kept end
  if not kept or known.given > kept.given or (known.given == kept.given and kept.lifted and not known.lifted) then return known end
  return kept
end

-- Makes room for one order more, or says that there is none.
local function make_room (want)
  if redis.call('ZCARD', orders) < most then return true end
  -- What is only written back pushes nothing out: its process goes on knowing it.
  if ARGV[2] == 'refuse' or want ~= 'give' then return false end
  local first = redis.call('ZPOPMIN', orders)
  redis.call('HDEL', records, first[1])
  return true
end

local function keep_in_force (order, want)
  if not redis.call('ZSCORE', orders, order.member) and not make_room(want) then return false end
  redis.call('ZADD', orders, text(order.ends), order.member)
  if not witness_end then
    incarnation = text(math.max(now, tonumber(incarnation or 0) + 1))
    witness_end = 0
  end
  if order.ends > tonumber(witness_end) then
    witness_end = order.ends
    redis.call('ZADD', orders, text(order.ends), witness_of(incarnation))
  end
  return true
end

local function keep (name, order, want)
  if order.lifted then
    if not redis.call('HGET', records, name) and redis.call('HLEN', records) > 2 * most then return false end
    redis.call('ZREM', orders, order.member)
  elseif not keep_in_force(order, want) then
    return false
  end
  last_end = math.max(last_end, order.ends)
  local value = table.concat({text(order.given), text(order.ends), order.lifted and '-' or '+', incarnation or '0', order.reach, order.member}, ' ')
  redis.call('HSET', records, name, value)
  return true
end

redis.call('ZREMRANGEBYSCORE', orders, '-inf', text(now))
local reply, wrote = {now}, false
for i = 7, #ARGV, 6 do
  local name, want, reach, member = ARGV[i], ARGV[i + 1], ARGV[i + 4], ARGV[i + 5]
  local known = {
    given = tonumber(ARGV[i + 2]), ends = math.min(now + tonumber(ARGV[i + 3]), LATEST), lifted = want == '-' or want == 'lift', reach = reach, member = member
  }
  local kept, changed = read_kept(name, reach, member)
  local order = choose(kept, known, want)
  if order and order.lifted then
    -- A taking back lasts as long as what it takes back would have lasted, by the longer knowledge of the two.
    local ends = math.max(order.ends, kept and kept.ends or 0, want == '?' and 0 or known.ends)
    if ends <= now then ends = now + unknown_ms end
    if ends > order.ends then order.ends, changed = ends, true end
  end
  local state = order and (order.lifted and 2 or 1) or 0
  local written = 0
  if order and (order ~= kept or changed) then
    if kept and kept.member ~= order.member then redis.call('ZREM', orders, kept.member) end
    if keep(name, order, want) then
      wrote, written = true, 1
    else
      state = 3
    end
  end
  table.insert(reply, order and order.given or 0)
  table.insert(reply, order and order.ends - now or 0)
  table.insert(reply, order and order.ends or 0)
  table.insert(reply, state)
  table.insert(reply, written)
  table.insert(reply, order and order.member or '')
end
if wrote then
  redis.call('HSET', records, '', (incarnation or '0') .. ' ' .. text(last_end))
  redis.call('PEXPIREAT', records, text(last_end))
  local last = redis.call('ZRANGE', orders, -1, -1, 'WITHSCORES')
  if last[2] then redis.call('PEXPIREAT', orders, text(math.min(tonumber(last[2]), LATEST))) end
end
return reply
