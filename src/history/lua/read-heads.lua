-- Reads what is remembered of topics' numbering, and begins it where there is none, or where it is of another line of data.
--
-- KEYS  of each topic <prefix>ws:history:{<prefix>ws:topic:<topic>}; on a cluster topics of one slot
-- ARGV  of each topic: epoch and offset of a position after which all events are asked for, or '' and '';
--       1: it has a listener, so that its head lives on, else 0
-- Returns of each topic `<epoch> <top> <stamp of the top, ms> <1: all of those are kept, else 0>`, or the text of what went wrong with it.
--
-- settings
-- include: ../../../limits/redis/lua/include/clock.lua
-- include: ../../../limits/redis/lua/include/items.lua
-- include: topic.lua
-- include: head.lua
-- include: visible.lua

if #KEYS == 0 or #ARGV ~= 3 * #KEYS then return redis.error_reply('ERR wanted are keys, and 3 arguments for each') end

local function read_head (key, epoch, offset, has_listener)
  local topic, wrong_key = read_topic(key)
  if not topic then error(wrong_key, 0) end
  local head = open_head(key)
  if head.is_new then write_begun(key, head)
  elseif has_listener then redis.call('PEXPIRE', key, life(META_MS)) end
  local is_kept = false
  if epoch == head.epoch and offset <= head.top then is_kept = offset == head.top or offset + 1 >= find_first(key, topic, head) end
  return string.format('%s %d %d %d', head.epoch, head.top, head.stamp, is_kept and 1 or 0)
end

-- Changes nothing, and is refused where writes are: what a replica knows may be old.
redis.call('DEL', KEYS[1] .. ':')
local answers = {}
for i, key in ipairs(KEYS) do
  local at = 3 * i
  answers[i] = try(read_head, key, ARGV[at - 2], tonumber(ARGV[at - 1]), ARGV[at] == '1')
end
return answers
