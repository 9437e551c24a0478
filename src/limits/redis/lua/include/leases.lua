-- Reads connection ids that are separated by spaces.
local function read_ids (text)
  local ids = {}
  for id in string.gmatch(text, '[^ ]+') do ids[#ids + 1] = id end
  return ids
end

-- Gives leases back; adds what went wrong to `failures`. Their users' keys come after the first `key_at`. Removing a lease that is not
-- there changes nothing, so giving back twice is giving back once.
local function give_back (ids, key_at, failures)
  for i, id in ipairs(ids) do
    -- Not `call`: a fault of one user's key must not fail the other users of this call.
    local gone = redis.pcall('ZREM', KEYS[key_at + i], id)
    if type(gone) == 'table' then note_failure(failures, key_at + i, gone.err) end
  end
end

-- Removes the records of leases that were given back, of the hash at that place in KEYS; returns how many were there.
local function forget_records (ids, key_at, failures)
  if #ids == 0 then return 0 end
  local gone = redis.pcall('HDEL', KEYS[key_at], unpack(ids))
  if type(gone) == 'number' then return gone end
  note_failure(failures, key_at, gone.err)
  return 0
end
