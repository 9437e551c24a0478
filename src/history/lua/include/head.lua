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
local replication_id

local function read_replication_id ()
  if not replication_id then
    local text = redis.call('INFO', 'replication')
    local _, ends_at = string.find(text, 'master_replid:', 1, true)
    replication_id = string.sub(text, ends_at + 1, ends_at + 8)
  end
  return replication_id
end

-- Nil: it is none of ours.
local function parse_head (text)
  local is_read, epoch, via, top, stamp, first, oldest, oldest_at, bytes, hash = pcall(cmsgpack.unpack, text)
  if not is_read or type(epoch) ~= 'string' or type(hash) ~= 'number' then return nil end
  return {
    epoch = epoch, via = via, top = top, stamp = stamp, first = first, oldest = oldest, oldest_at = oldest_at, bytes = bytes, hash = hash
  }
end

local function format_head (head)
  return cmsgpack.pack(head.epoch, head.via, head.top, head.stamp, head.first, head.oldest, head.oldest_at, head.bytes, head.hash)
end

-- How long a key lives that is to live for `ms` from any publication on: longer by a step, as it is told once in a step only.
local STEPS = 64
local function life (ms)
  return ms + math.ceil(ms / STEPS)
end

-- Whether now is another step than `before`.
local function is_step (ms, before)
  return math.floor(now * STEPS / ms) ~= math.floor(before * STEPS / ms)
end

-- The key of the events.
local function name_hash (key, head)
  return string.format('%s:events:%s:%d', key, head.epoch, head.hash)
end

-- A new epoch, not written yet. `past`: the hash of the one before, if there may be one.
local function begin_epoch (key, before)
  local birth = string.format('%013x', time[1] * 1000000 + time[2])
  local done = string.format('%x', string.match(redis.call('INFO', 'stats'), 'total_commands_processed:(%d+)'))
  local on_cluster = string.find(redis.call('INFO', 'cluster'), 'cluster_enabled:1', 1, true)
  return {
    epoch = read_replication_id() .. birth .. done, via = on_cluster and 's' or 'p', top = 0, stamp = 0, first = 1, oldest = 1,
    oldest_at = 0, bytes = 0, hash = 0, is_new = true, past = before and before.hash > 0 and name_hash(key, before) or nil
  }
end

-- The head in force, with the text that is kept: a new epoch where there is none, or one of another line of data.
local function open_head (key)
  local text = redis.call('GET', key)
  local head = text and parse_head(text)
  if head and string.sub(head.epoch, 1, 8) == read_replication_id() then return head, text end
  return begin_epoch(key, head), text
end

local function write_begun (key, head)
  redis.call('SET', key, format_head(head), 'PX', life(META_MS))
  if head.past then redis.call('DEL', head.past) end
end

-- What is too old is measured against the newer of Redis's clock and the stamp of the top: the clock may have been set back.
local function is_too_old (stamp, head)
  return math.max(now, head.stamp) - stamp >= KEEP_MS
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
