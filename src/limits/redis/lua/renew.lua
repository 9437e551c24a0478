-- Extends leases to a whole lease from now, and registers again those that Redis has lost. Looks for the records that it has lost.
--
-- Fixed: 0-1 KEYS, 1 ARGV. Each lease: 1 KEYS, 1 ARGV.
-- KEYS  of each lease, the user's sorted set
--       after them, if records are looked for as well, the node's records
-- ARGV  [1] a lease, ms
--       then of each lease the connection id
-- Returns {{the place of a key, what went wrong with it, ...}, {the place of each lease whose record is not there}}: both are
-- empty when all went well.
--
-- include: clock.lua
-- include: items.lua

-- As text: Lua would write it anew for each lease.
local ends_at = string.format('%.0f', now + tonumber(ARGV[1]))
local failures, lost = {}, {}
for i = 1, #ARGV - 1 do
  -- Not `call`, nor a function of Lua's around it, which takes as long as the command: a fault of one user's key must not fail the others.
  local done = redis.pcall('ZADD', KEYS[i], ends_at, ARGV[i + 1])
  if type(done) ~= 'table' then done = redis.pcall('PEXPIRE', KEYS[i], ARGV[1]) end
  if type(done) == 'table' then note_failure(failures, i, done.err) end
end
if KEYS[#ARGV] then
  local records = redis.pcall('HMGET', KEYS[#ARGV], unpack(ARGV, 2))
  if records.err then note_failure(failures, #ARGV, records.err) end
  for i = 1, #ARGV - 1 do
    if not records.err and not records[i] then lost[#lost + 1] = i end
  end
end
return { failures, lost }
