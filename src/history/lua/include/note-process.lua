-- A user's connections are found by the hash `<key>:at`: process to the time until which it has some, ms. On a cluster there is none
-- (see announce.lua).

-- A process notes itself anew each time when it compares what it knows, twice and more in this time.
local AT_MS = 90000
-- More entries than this are looked through for those that have ended; it is more than there are processes, as a rule.
local MANY_PROCESSES = 16

-- Keeps a head for one who listens; one that `is_written` just now lives long enough. A process that is named is noted as well, where
-- `is_user` and the head is not of a cluster: what is published from now on reaches it. A note that has served a third of its time at
-- most is left as it is, and the head with it, which was told to live longer by a step.
local function keep_for (listener, key, is_user, via, is_written)
  if listener == '1' or not is_user or via == 's' then
    if not is_written then redis.call('PEXPIRE', key, life(META_MS)) end
    return
  end
  local at = key .. ':at'
  local noted_at = (tonumber(redis.call('HGET', at, listener) or nil) or 0) - AT_MS
  local is_told = noted_at <= now and not is_step(META_MS, noted_at)
  if is_told and now - noted_at <= AT_MS / 3 then return end
  if not is_told and not is_written then redis.call('PEXPIRE', key, life(META_MS)) end
  local is_new = redis.call('HSET', at, listener, string.format('%.0f', now + AT_MS)) == 1
  redis.call('PEXPIRE', at, AT_MS)
  if not is_new or redis.call('HLEN', at) <= MANY_PROCESSES then return end
  local processes = redis.call('HGETALL', at)
  for place = 1, #processes, 2 do
    if (tonumber(processes[place + 1]) or 0) <= now then redis.call('HDEL', at, processes[place]) end
  end
end
