-- Counts an attempt and returns 0, or returns the wait. A refused attempt does not count. The key is a list of the last times: the
-- attempt is added first, as most are counted, and taken back where it is one too many.
local function enter (key)
  local count = redis.pcall('RPUSH', key, now_text)
  if type(count) == 'table' then
    start_anew(key, 'hash', 'RPUSH', key, now_text)
    count = redis.call('RPUSH', key, now_text)
  end
  if count > LIMIT then
    local wait = redis.call('LINDEX', key, BEFORE_OLDEST) + WINDOW - now
    -- More than two windows can only be a clock that was set back: without this it would lock out until the old time returns.
    if wait > 0 and wait <= 2 * WINDOW then
      redis.call('LTRIM', key, '0', '-2')
      return wait
    end
    redis.call('LTRIM', key, OLDEST, '-1')
  end
  redis.call('PEXPIRE', key, WINDOW_TEXT)
  return 0
end
