-- Begins a new epoch of a topic, unless its head is no longer the one that was seen; tells all who listen by a message without an
-- event, at offset 0.
--
-- KEYS  [1] <prefix>ws:history:{<prefix>ws:topic:<topic>}
-- ARGV  [1] the epoch that was seen
--       [2] the top that was seen
--       [3] the stamp of that top, ms
-- Returns `<epoch> <top> <stamp of the top, ms>` of the head in force.
--
-- settings
-- include: ../../../limits/redis/lua/include/clock.lua
-- include: lives.lua
-- include: replication-id.lua
-- include: topic.lua
-- include: head.lua
-- include: announce.lua

if #KEYS ~= 1 or #ARGV ~= 3 then return redis.error_reply('ERR wanted are 1 key and 3 arguments') end
local key = KEYS[1]
local topic, wrong_key = read_topic(key)
if not topic then return redis.error_reply(wrong_key) end
local head = open_head(key)
if not head.is_new and head.epoch == ARGV[1] and head.top == tonumber(ARGV[2]) and head.stamp == tonumber(ARGV[3]) then
  head = begin_epoch(key, head)
end
if head.is_new then
  local processes = read_processes(key, topic, head)
  write_begun(key, head)
  local message = string.format('{"pos":"%s:0","ts":%d}', head.epoch, now)
  local denied = publish_on_channel(topic, head, message)
  if denied then return denied end
  publish_to_processes(key, topic, processes, message)
else
  -- A write all the same: a replica must not answer.
  redis.call('PEXPIRE', key, life(META_MS))
end
return string.format('%s %d %d', head.epoch, head.top, head.stamp)
