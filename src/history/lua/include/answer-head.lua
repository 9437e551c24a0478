-- Reads what is remembered of one topic's numbering, and begins it where there is none: `<epoch> <top> <stamp of the top, ms> <1: all
-- events after `offset` of `epoch` are kept, else 0>`. With a listener the head lives on: '1', or the name of a process that is to be
-- reached by its channel.
local function read_head (listener, key, is_user, epoch, offset)
  local topic, wrong_key = read_topic(key)
  if not topic then error(wrong_key, 0) end
  local head = open_head(key)
  if head.is_new then write_begun(key, head) end
  if listener then keep_for(listener, key, is_user, head.via, head.is_new) end
  local is_kept = false
  if epoch == head.epoch and offset <= head.top then is_kept = offset == head.top or offset + 1 >= find_first(key, topic, head) end
  return string.format('%s %d %d %d', head.epoch, head.top, head.stamp, is_kept and 1 or 0)
end
