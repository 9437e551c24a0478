-- Extends leases to a whole lease from now, and registers again those that Redis has lost. Looks for the records that it has lost.
--
-- Fixed: 0-3 KEYS, 3-9 ARGV. Each user: 1 KEYS, 1 ARGV.
-- KEYS  of each user, her sorted set
--       after them, if records are looked for as well, the node's records
--       after these, if the node's heartbeat goes along, what else note-alive.lua takes
-- ARGV  [1] a lease, ms
--       [2] `all`: every record is looked for; else those only of leases that Redis did not have
--       [3] how many users
--       then of each user her connection ids, a space between two
--       after them, if the node's heartbeat goes along, what note-alive.lua takes
-- Returns {{the place of a key, what went wrong with it, ...}, {the id of each lease whose record is not there}, {what
-- note-alive.lua returns, or what went wrong with it}}: all are empty when all went well and no heartbeat went along.
--
-- include: clock.lua
-- include: items.lua
-- include: ../../../../nodes/lua/include/note-alive.lua

-- As text: Lua would write it anew for each lease.
local ends_at = string.format('%.0f', now + tonumber(ARGV[1]))
local failures, sought, lost = {}, {}, {}
local users = tonumber(ARGV[3])
local keeps_records = KEYS[users + 1] ~= nil
local seeks_all = keeps_records and ARGV[2] == 'all'

local function seek(ids)
  for id in string.gmatch(ids, '[^ ]+') do sought[#sought + 1] = id end
end

for i = 1, users do
  local ids = ARGV[i + 3]
  local added
  -- Not `call`, nor a function of Lua's around it, which takes as long as the command: a fault of one user's key must not fail the others.
  if not string.find(ids, ' ', 1, true) then
    added = redis.pcall('ZADD', KEYS[i], ends_at, ids)
  else
    local scored = {}
    for id in string.gmatch(ids, '[^ ]+') do
      scored[#scored + 1] = ends_at
      scored[#scored + 1] = id
    end
    added = redis.pcall('ZADD', KEYS[i], unpack(scored))
  end
  local done = added
  if type(done) ~= 'table' then done = redis.pcall('PEXPIRE', KEYS[i], ARGV[1]) end
  if type(done) == 'table' then note_failure(failures, i, done.err) end
  if seeks_all or (keeps_records and added ~= 0) then seek(ids) end
end
if #sought > 0 then
  local records = redis.pcall('HMGET', KEYS[users + 1], unpack(sought))
  if records.err then note_failure(failures, users + 1, records.err) end
  for i, id in ipairs(sought) do
    if not records.err and not records[i] then lost[#lost + 1] = id end
  end
end
local alive = {}
if KEYS[users + 2] then alive = try(note_alive, now, users + 1, unpack(ARGV, users + 4)) end
return { failures, lost, type(alive) == 'table' and alive or { alive } }
