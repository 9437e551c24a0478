-- Reads what is remembered of topics' numbering, and begins it where there is none, or where it is of another line of data.
--
-- KEYS  of each topic <prefix>ws:history:{<prefix>ws:topic:<topic>}; on a cluster topics of one slot
-- ARGV  of each topic: epoch and offset of a position after which all events are asked for, or '' and '';
--       '': nobody listens; else its head lives on: 1, or for a user's topic the name of the process that listens by its own channel
-- Returns of each topic `<epoch> <top> <stamp of the top, ms> <1: all of those are kept, else 0>`, or the text of what went wrong with it.
--
-- settings
-- include: ../../../limits/redis/lua/include/clock.lua
-- include: ../../../limits/redis/lua/include/items.lua
-- include: lives.lua
-- include: replication-id.lua
-- include: topic.lua
-- include: head.lua
-- include: note-process.lua
-- include: known-head.lua
-- include: visible.lua
-- include: answer-head.lua

if #KEYS == 0 or #ARGV ~= 3 * #KEYS then return redis.error_reply('ERR wanted are keys, and 3 arguments for each') end

-- Changes nothing, and is refused where writes are: what a replica knows may be old.
redis.call('DEL', KEYS[1] .. ':')
local function answer_head (listener, key, ...)
  local is_user = string.find(key, 'ws:topic:user:[^:]+}$')
  return read_known_head(listener, key, is_user, ...) or read_head(listener, key, is_user, ...)
end
local answers = {}
for i, key in ipairs(KEYS) do
  local at = 3 * i
  answers[i] = try(answer_head, ARGV[at] ~= '' and ARGV[at] or nil, key, ARGV[at - 2], tonumber(ARGV[at - 1]))
end
return answers
