-- What names this server's line of data: it changes where a replica takes over, and with a restart. Asked once in a call.
local replication_id

local function read_replication_id ()
  if not replication_id then
    local text = redis.call('INFO', 'replication')
    local _, ends_at = string.find(text, 'master_replid:', 1, true)
    replication_id = string.sub(text, ends_at + 1, ends_at + 8)
  end
  return replication_id
end
