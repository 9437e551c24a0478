-- Answers as read_head does (answer-head.lua) where the head alone tells it; nil: it takes more. Most who come ask about a topic of
-- which nothing is missing, and what follows is what each of them costs Redis. `is_user`: it is a user's own.
local function read_known_head (listener, key, is_user, epoch, offset)
  local text = redis.pcall('GET', key)
  if type(text) ~= 'string' then return nil end
  local is_read, known, via, top, stamp, _first, _oldest, _oldest_at, _bytes, hash = pcall(cmsgpack.unpack, text)
  if not is_read or type(known) ~= 'string' or type(hash) ~= 'number' then return nil end
  if string.sub(known, 1, 8) ~= read_replication_id() or (epoch == known and offset < top) then return nil end
  if listener then keep_for(listener, key, is_user, via) end
  return string.format('%s %d %d %d', known, top, stamp, epoch == known and offset == top and 1 or 0)
end
