-- Notes that a node is alive: with its records, and in the index of all nodes where that is in the same slot.
-- The keys are those from `key_at` on: the node's records, the connections of the node that others have claimed, the index or nothing.
-- Of the rest, the times are in ms:
--   lease         for how long it counts as alive
--   grace         how long after that others may claim its connections
--   own_clock     the node's own clock
--   records_kept  how long the records, and the index, stay without a heartbeat
--   claimed_kept  how long what was claimed stays known without a heartbeat
--   node          its name, where there is an index
-- Returns {alive until, 1 if others may have claimed connections since the last heartbeat, else 0, then, where there is an index, what
-- went wrong with it, or ''}.
local function note_alive (now, key_at, lease, grace, own_clock, records_kept, claimed_kept, node)
  local before = redis.call('HGET', KEYS[key_at], '')
  local until_before = before and tonumber(string.match(before, '^%d+'))
  local lapsed = (not until_before or until_before + grace <= now) and 1 or 0
  local alive_until = now + lease
  redis.call('HSET', KEYS[key_at], '', string.format('%.0f:%s', alive_until, own_clock))
  redis.call('PEXPIRE', KEYS[key_at], records_kept)
  redis.call('PEXPIRE', KEYS[key_at + 1], claimed_kept)
  if not node then return { alive_until, lapsed } end
  -- Not `call`: what is wrong with the index tells nothing of this node's connections.
  local noted = redis.pcall('ZADD', KEYS[key_at + 2], string.format('%.0f', alive_until), node)
  if type(noted) ~= 'table' then noted = redis.pcall('PEXPIRE', KEYS[key_at + 2], records_kept) end
  return { alive_until, lapsed, type(noted) == 'table' and noted.err or '' }
end
