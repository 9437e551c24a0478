-- The head of a topic: nine values in MessagePack, which is read and written in a tenth of the time that text takes.
--   epoch      8 hex digits of the server's replication id, 13 of the birth in us, then the commands that the server had done: as
--              long as it keeps that id, their number only grows
--   via        `s` on a cluster, where SPUBLISH is heard, else `p`. It is asked at the birth: the server cannot change without a restart
--   top        offset given last, and its stamp: when by Redis's clock, in ms
--   first      the first event kept; all up to the top are, as far as the hash is still there
--   oldest     the first field of the hash: from here to `first` the ids of events that were trimmed are remembered, with holes;
--              `oldest at` is its stamp, or an earlier one
--   bytes      of the events kept
--   hash       the offset with which the present hash of events began, 0: there is none. It is a part of the hash's name: one that
--              was lost gets no successor of the same name, which a hash that moves between masters would meet there
local function format_head (head)
  return cmsgpack.pack(head.epoch, head.via, head.top, head.stamp, head.first, head.oldest, head.oldest_at, head.bytes, head.hash)
end

-- The key of the events.
local function name_hash (key, head)
  return key .. ':events:' .. head.epoch .. ':' .. string.format('%d', head.hash)
end

-- Of all epochs that begin in this call: they are of different topics.
local birth, via_at_birth

-- A new epoch, not written yet. `past`: the hash of the one before, if there may be one.
local function begin_epoch (key, before)
  if not birth then
    local done = string.match(redis.call('INFO', 'stats'), 'total_commands_processed:(%d+)')
    birth = string.format('%013x%x', time[1] * 1000000 + time[2], done)
    via_at_birth = string.find(redis.call('INFO', 'cluster'), 'cluster_enabled:1', 1, true) and 's' or 'p'
  end
  return {
    epoch = read_replication_id() .. birth, via = via_at_birth, top = 0, stamp = 0, first = 1, oldest = 1,
    oldest_at = 0, bytes = 0, hash = 0, is_new = true, past = before and before.hash > 0 and name_hash(key, before) or nil
  }
end

-- The head in force, with the text that is kept: a new epoch where there is none, or one of another line of data.
local function open_head (key)
  local text = redis.call('GET', key)
  if not text then return begin_epoch(key) end
  local is_read, epoch, via, top, stamp, first, oldest, oldest_at, bytes, hash = pcall(cmsgpack.unpack, text)
  -- It is none of ours.
  if not is_read or type(epoch) ~= 'string' or type(hash) ~= 'number' then return begin_epoch(key), text end
  local head = {
    epoch = epoch, via = via, top = top, stamp = stamp, first = first, oldest = oldest, oldest_at = oldest_at, bytes = bytes, hash = hash
  }
  if string.sub(epoch, 1, 8) == read_replication_id() then return head, text end
  return begin_epoch(key, head), text
end

local function write_begun (key, head)
  redis.call('SET', key, format_head(head), 'PX', life(META_MS))
  if head.past then redis.call('DEL', head.past) end
end

-- Whether nothing is kept: nothing ever was, or all of it has outlived its time, as its hash does.
local function is_bare (head)
  return head.hash == 0 or now - head.stamp >= KEEP_MS
end

-- Reads a field of the hash: an event as it was published, or `<stamp> <id>` of one that was trimmed. Returns its stamp, and the id as
-- it stands in JSON.
local function read_item (item)
  local stamp, member, text = string.match(item, '^{"pos":"[^"]*","ts":(%d+),"(%l+)":"([^"]*)"')
  if stamp then return tonumber(stamp), member == 'id' and text or nil end
  stamp, text = string.match(item, '^(%d+) (.*)$')
  return tonumber(stamp) or 0, text
end
