-- Reads connection ids that are separated by spaces.
local function read_ids (text)
  local ids = {}
  for id in string.gmatch(text, '[^ ]+') do ids[#ids + 1] = id end
  return ids
end

-- Gives leases back; adds what went wrong to `failures`. Their users' keys come after the first `key_at`; `records_at`: the
-- place of the node's records, if these go as well. Removing a lease that is not there changes nothing, so giving back twice
-- is giving back once.
local function give_back (ids, key_at, records_at, failures)
  for i, id in ipairs(ids) do
    -- Not `call`: a fault of one user's key must not fail the other users of this call.
    local gone = redis.pcall('ZREM', KEYS[key_at + i], id)
    if type(gone) == 'table' then note_failure(failures, key_at + i, gone.err) end
  end
  if not records_at or #ids == 0 then return end
  local gone = redis.pcall('HDEL', KEYS[records_at], unpack(ids))
  if type(gone) == 'table' then note_failure(failures, records_at, gone.err) end
end
