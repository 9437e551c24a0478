-- Reads the newest part of a range of a topic's events.
--
-- KEYS  [1] <prefix>ws:history:{<prefix>ws:topic:<topic>}
-- ARGV  [1] the epoch that is meant
--       [2] the first offset
--       [3] the last offset
--       [4] most events
--       [5] most bytes; one event is given however large it is
-- Returns {`<epoch> <top> <stamp of the top, ms>` of the head in force, the offset of the first event given, the events}: consecutive,
-- the last at [3]; none, and offset 0, where that one is not kept any more, or the epoch is another.
--
-- settings
-- include: ../../../limits/redis/lua/include/clock.lua
-- include: lives.lua
-- include: replication-id.lua
-- include: topic.lua
-- include: head.lua
-- include: visible.lua

if #KEYS ~= 1 or #ARGV ~= 5 then return redis.error_reply('ERR wanted are 1 key and 5 arguments') end
local key = KEYS[1]
local epoch, last = ARGV[1], tonumber(ARGV[3])
local most_events, most_bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
local topic, wrong_key = read_topic(key)
if not topic then return redis.error_reply(wrong_key) end
local head = open_head(key)
-- A write in any case: what a replica knows may be old.
if head.is_new then write_begun(key, head) else redis.call('PEXPIRE', key, life(META_MS)) end

local events = {}
local first = last + 1
if epoch == head.epoch and last <= head.top then
  local hash = name_hash(key, head)
  local bytes = 0
  for offset = last, math.max(tonumber(ARGV[2]), find_first(key, topic, head), last - most_events + 1), -1 do
    local event = redis.call('HGET', hash, offset)
    if not event or (first <= last and bytes + #event > most_bytes) then break end
    bytes = bytes + #event
    events[last - offset + 1] = event
    first = offset
  end
end
local answer = { string.format('%s %d %d', head.epoch, head.top, head.stamp), first <= last and first or 0 }
for offset = first, last do answer[#answer + 1] = events[last - offset + 1] end
return answer
