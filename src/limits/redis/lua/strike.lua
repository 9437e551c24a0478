-- Counts how often addresses have broken a limit. An address that has reached the number for a ban begins anew: its caller bans it.
--
-- Fixed: 0 KEYS, 3 ARGV. Each address: 1 KEYS, 1 ARGV.
-- KEYS  of each address, its strikes: a hash of sub-windows
-- ARGV  [1] strikes within a window for which an address is banned
--       [2] the window, ms
--       [3] the width of a sub-window, ms
--       then of each address its new strikes
-- Returns of each address 1 (enough), 0, or the text of what went wrong with it.
--
-- include: clock.lua
-- include: items.lua
-- include: start-anew.lua
-- include: sub-windows.lua

local enough = tonumber(ARGV[1])
local window = tonumber(ARGV[2])
local width = tonumber(ARGV[3])
local FIXED = 3

local function strike (key, more)
  if open_window(key, window, width, 0, now, 'hash') + more >= enough then
    redis.call('DEL', key)
    return 1
  end
  add_to_window(key, width, now, more)
  return 0
end

local verdicts = {}
for i, key in ipairs(KEYS) do
  verdicts[i] = try(strike, key, tonumber(ARGV[FIXED + i]))
end
return verdicts
