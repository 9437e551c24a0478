-- Publishes an event of a topic, or several in this order: gives it its position, keeps it with those before it, and publishes it, in
-- one step. An event that cannot be numbered, because Redis takes no writes now, is not published either.
--
-- KEYS  [1] <prefix>ws:history:{<prefix>ws:topic:<topic>}: where the topic is numbered. Its id is percent-encoded outside
--           A-Za-z0-9._- (upper-case hex). All other keys have this name and more after it, and so are in its slot
-- ARGV  [1] the event's name: text of 1 to 128 characters
--       [2] its data: JSON, which reaches the clients byte for byte
--       [3] id, of 1 to 64 characters, by which the same event is known again when it is published twice; or ''
--       Or of several events these three each, and then [last] `tell`
--       Or of several events these three each, with a fourth, a traceparent (W3C Trace Context, 55 characters) or '', that reaches who
--       listens beside the event, and then [last] `trace`
-- Returns the event's position, `<epoch>:<offset>`; with `tell` or `trace` for each event `<position> <1: it had been published before, else 0>`,
-- or the text of what went wrong with it after others were published.
--
-- settings
-- include: ../../../limits/redis/lua/include/clock.lua
-- include: lives.lua
-- include: replication-id.lua
-- include: topic.lua
-- include: head.lua
-- include: announce.lua
-- include: trimming.lua

local function has_most_characters (text, most)
  return #text <= most or (#text <= 4 * most and select(2, string.gsub(text, '[^\128-\191]', '')) <= most)
end

local function escape (text)
  if not string.find(text, '[%c"\\]') then return text end
  return (string.gsub(text, '[%c"\\]', function (character) return string.format('\\u%04x', string.byte(character)) end))
end

local traces = #ARGV % 4 == 1 and ARGV[#ARGV] == 'trace'
local width = traces and 4 or 3
local tells = traces or (#ARGV % 3 == 1 and ARGV[#ARGV] == 'tell')
if #KEYS ~= 1 or #ARGV < 3 or (#ARGV > 3 and not tells) then
  return redis.error_reply('ERR wanted is 1 key and 3 arguments: event, data, id or an empty text')
end
local key = KEYS[1]
local topic, wrong_key = read_topic(key)
if not topic then return redis.error_reply(wrong_key) end

-- Nothing is done before all are found to be in order.
local events, ids, trace_parts = {}, {}, {}
for at = 1, #ARGV - 2, width do
  local event, id, trace = ARGV[at], ARGV[at + 2], traces and ARGV[at + 3] or ''
  if event == '' or not has_most_characters(event, 128) then return redis.error_reply('ERR the event must have a name of 1 to 128 characters') end
  if not has_most_characters(id, 64) then return redis.error_reply('ERR the id must have at most 64 characters') end
  if trace ~= '' and (#trace ~= 55 or not string.find(trace, '^%x%x%-%x+%-%x+%-%x%x$')) then return redis.error_reply('ERR the trace must be a traceparent of 55 characters') end
  event = escape(event)
  if #event + #ARGV[at + 1] + 20 > MOST_EVENT_BYTES then return redis.error_reply('ERR the event is larger than ' .. MOST_EVENT_BYTES .. ' bytes') end
  events[at] = event
  ids[at] = id ~= '' and escape(id)
  trace_parts[at] = trace ~= '' and ',"trace":"' .. trace .. '"' or ''
end

-- Begins a hash of this epoch.
local function begin_hash (head, offset, kept)
  head.hash, head.oldest, head.oldest_at, head.bytes = offset, offset, now, 0
  head.first = kept and offset or offset + 1
end

-- Writes the event, or its id alone; true: into a hash that was not there. `field`: the offset.
local function write_item (hash, field, item, id)
  if id then return redis.call('HSET', hash, '', '', field, item, '=' .. id, string.format('%s %d', field, now)) == 3 end
  return redis.call('HSET', hash, '', '', field, item) == 2
end

local head, text_before = open_head(key)
local hash = name_hash(key, head)
local processes = read_processes(key, topic, head)

-- Returns the position, and whether the event had been published before; or an error, and nothing is done.
local function publish (event, data, id, trace_part)
  if id and not is_bare(head) then
    local published, stamp = string.match(redis.call('HGET', hash, '=' .. id) or '', '^(%d+) (%d+)$')
    if published and math.abs(math.max(now, head.stamp) - stamp) < KEEP_MS then
      -- A write all the same: a replica must not answer.
      redis.call('PEXPIRE', key, life(META_MS))
      return head.epoch .. ':' .. published, true
    end
  end

  local offset = head.top + 1
  -- Numbers become text once: as arguments of a command they are written in a form that takes three times as long.
  local field = string.format('%d', offset)
  local position = head.epoch .. ':' .. field
  local id_part = id and ',"id":"' .. id .. '"' or ''
  local message = '{"pos":"' .. position .. '","ts":' .. string.format('%d', now) .. id_part .. trace_part .. ',"event":"' .. event .. '","data":' .. data .. '}'
  local size = #message
  local kept = topic.most > 0 and size <= MOST_BYTES
  local past, plan, is_lost = head.past, nil, is_bare(head)
  if not is_lost then plan, is_lost = plan_trimming(hash, head, topic.most, size, kept) end
  if is_lost then
    if head.hash > 0 then past = hash end
    head.hash, head.oldest, head.first, head.bytes = 0, offset, offset, 0
  end

  -- The first command that changes anything is one that a full Redis refuses, as does one that takes no writes.
  if kept or id then
    local item = kept and message or string.format('%d %s', now, id)
    if head.hash == 0 then
      begin_hash(head, offset, kept)
      hash = name_hash(key, head)
    end
    if write_item(hash, field, item, id) and head.hash ~= offset then
      -- It was evicted, or has gone ahead to the slot's next master.
      redis.call('DEL', hash)
      plan = nil
      begin_hash(head, offset, kept)
      hash = name_hash(key, head)
      write_item(hash, field, item, id)
    end
    if head.oldest > head.top then head.oldest_at = now end
  end
  if head.hash == offset or (head.hash > 0 and is_step(KEEP_MS, head.stamp)) then redis.call('PEXPIRE', hash, life(KEEP_MS)) end
  local is_new_step = head.is_new or is_step(META_MS, head.stamp)
  if not kept then head.first = offset + 1 end
  if not kept and not id and head.oldest == offset then head.oldest = offset + 1 end
  if kept then head.bytes = head.bytes + size end
  head.top = offset
  head.stamp = now
  local text = format_head(head)
  if is_new_step then redis.call('SET', key, text, 'PX', life(META_MS)) else redis.call('SET', key, text, 'KEEPTTL') end

  local denied = publish_on_channel(topic, head, message)
  if denied then
    -- Nobody has heard it.
    if text_before then redis.call('SET', key, text_before, 'PX', life(META_MS)) else redis.call('DEL', key) end
    if head.hash == offset then redis.call('DEL', hash)
    elseif kept or id then redis.call('HDEL', hash, field, id and '=' .. id or field) end
    return denied
  end
  publish_to_processes(key, topic, processes, message)
  if past then redis.call('DEL', past) end
  if plan then trim(hash, plan) end
  text_before, head.is_new, head.past = text, nil, nil
  return position, false
end

local position, was_published = publish(events[1], ARGV[2], ids[1], trace_parts[1])
if type(position) == 'table' or not tells then return position end
local answers, fault = { position .. (was_published and ' 1' or ' 0') }, nil
for at = 1 + width, #ARGV - 2, width do
  if not fault then
    -- An error must not hide what is done; and after one the head is not known any more.
    local is_done
    is_done, position, was_published = pcall(publish, events[at], ARGV[at + 1], ids[at], trace_parts[at])
    if not is_done or type(position) == 'table' then fault = type(position) == 'table' and position.err or tostring(position) end
  end
  answers[#answers + 1] = fault or position .. (was_published and ' 1' or ' 0')
end
return answers
