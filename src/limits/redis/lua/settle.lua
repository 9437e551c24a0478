-- Settles grants that lapsed without a successor: the unspent part goes back to the window.
--
-- Fixed: 0 KEYS, 2 ARGV. Each settlement: 1 KEYS, 6 ARGV.
-- KEYS  of each settlement, the address's messages (see take-grant.lua)
-- ARGV  [1] the width of a sub-window, ms; 0: the window is exact
--       [2] how long a grant may stay unsettled, ms
--       then of each settlement: nonce, time made (ms), messages that waited, granted, spent, when (see grants.lua)
-- Returns {the place of a key, what went wrong with it, ...}: empty when all went well.
--
-- include: clock.lua
-- include: items.lua
-- include: start-anew.lua
-- include: sub-windows.lua
-- include: grants.lua

local width = tonumber(ARGV[1])
local lapse = tonumber(ARGV[2])
local failures = {}
for i, key in ipairs(KEYS) do
  local failure = try(settle_grant, key, width, lapse, now, read_settlement(3 + (i - 1) * 6))
  if failure then note_failure(failures, i, failure) end
end
return failures
