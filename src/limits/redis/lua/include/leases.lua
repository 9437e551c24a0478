-- Reads connection ids that are separated by spaces.
local function read_ids (text)
  local ids = {}
  for id in string.gmatch(text, '[^ ]+') do ids[#ids + 1] = id end
  return ids
end

-- Gives leases back and returns how many were there. Their users' keys come after the first `key_at`. Removing a lease that is
-- not there changes nothing, so giving back twice is giving back once.
local function give_back (ids, key_at, records)
  local removed = 0
  for i, id in ipairs(ids) do
    -- Not `call`: a fault of one user's key must not fail the other users of this call.
    local gone = redis.pcall('ZREM', KEYS[key_at + i], id)
    if type(gone) == 'number' then removed = removed + gone end
  end
  if records and #ids > 0 then redis.pcall('HDEL', records, unpack(ids)) end
  return removed
end
