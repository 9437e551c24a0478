-- Gives leases back.
--
-- Fixed: 0-1 KEYS, 1 ARGV. Each lease: 1 KEYS, 0 ARGV.
-- KEYS  of each lease, the user's sorted set
--       after them, if their records go as well, the node's records
-- ARGV  [1] the connection ids, a space between two
-- Returns {the place of a key, what went wrong with it, ...}: empty when all went well.
--
-- include: items.lua
-- include: leases.lua

local ids = read_ids(ARGV[1])
local failures = {}
give_back(ids, 0, failures)
if KEYS[#ids + 1] then forget_records(ids, #ids + 1, failures) end
return failures
