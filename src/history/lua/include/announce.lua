-- Publishing, to all who may listen: the topic's own channel; and where a user's connections are found by the hash `<key>:at` (process
-- to the time until which it has some, ms) the channels of those processes, which then need none for each user. On a cluster a script
-- publishes in its own slot only, so there is no such hash.

local function read_processes (key, topic, head)
  if topic.kind ~= 'user' or head.via == 's' then return nil end
  -- Not `call`: where something else stands there no process could note itself, and each listens to the topic's own channel.
  local processes = redis.pcall('HGETALL', key .. ':at')
  return not processes.err and processes or nil
end

-- Returns the error, if the user of this connection may not.
local function publish_on_channel (topic, head, message)
  local heard
  if head.via == 's' then heard = redis.pcall('SPUBLISH', topic.channel, message) else heard = redis.pcall('PUBLISH', topic.channel, message) end
  return type(heard) == 'table' and heard or nil
end

local function publish_to_processes (key, topic, processes, message)
  for at = 1, processes and #processes or 0, 2 do
    if (tonumber(processes[at + 1]) or 0) > now then
      -- Not `call`: the event is published already. A process that may not be told finds it with its next comparison.
      redis.pcall('PUBLISH', topic.prefix .. 'ws:topic:node:' .. processes[at], topic.channel .. '\n' .. message)
    else
      redis.call('HDEL', key .. ':at', processes[at])
    end
  end
end
