-- Counts an attempt and returns 0, or returns the wait. A refused attempt does not count. The key is a list of the last times.
local function enter (key)
  local oldest = redis.pcall('LINDEX', key, OLDEST)
  if type(oldest) == 'table' then
    start_anew(key, 'hash', 'LINDEX', key, OLDEST)
  elseif oldest then
    local wait = oldest + WINDOW - now
    -- More than two windows can only be a clock that was set back: without this it would lock out until the old time returns.
    if wait > 0 and wait <= 2 * WINDOW then return wait end
  end
  if redis.call('RPUSH', key, now_text) > LIMIT then redis.call('LTRIM', key, OLDEST, '-1') end
  redis.call('PEXPIRE', key, WINDOW_TEXT)
  return 0
end
