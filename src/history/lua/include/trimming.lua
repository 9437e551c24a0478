-- Removal of what is kept no longer, from the front of the hash: ahead of an event of `size` bytes, which is `kept` or not.

-- Most that a publication removes of what is too old, and most by number: it does not pay for a pause, nor for a changed setting.
-- By number as many are removed at once, for the next ones too: until then there are some more than the setting says, which no
-- reader is shown.
local MOST_TRIMMED = 5
-- Most fields of one command.
local MOST_FIELDS = 100

-- Looks for what is to be removed, without removing it: what is too old, then, of the events, what is too much beside the new one;
-- all where that one is not kept. Brings the head up to date. Returns `fields` to be deleted, `ids` that may be (each with its
-- field), and those `remembered` in place of their events (field, text, field, text …); nil: there is nothing to do, or, where
-- `true` comes after it, the hash is lost.
local function plan_trimming (hash, head, most, size, kept)
  local newest = math.max(now, head.stamp)
  local is_due = head.top + 2 - head.first >= most + MOST_TRIMMED
  if (head.oldest > head.top or math.abs(newest - head.oldest_at) < KEEP_MS) and
    (head.first > head.top or (kept and not is_due and head.bytes + size <= MOST_BYTES)) then return nil end

  local fields, ids, remembered = {}, {}, {}
  for _ = 1, MOST_TRIMMED do
    local offset = head.oldest
    if offset > head.top or math.abs(newest - head.oldest_at) < KEEP_MS then break end
    local field = string.format('%d', offset)
    local item = redis.call('HGET', hash, field)
    if item then
      local stamp, item_id = read_item(item)
      head.oldest_at = stamp
      -- An id that is ahead by so much is of a clock that was set back: it would hold up all behind it.
      if (offset < head.first and math.abs(newest - stamp) or newest - stamp) < KEEP_MS then break end
      fields[#fields + 1] = field
      if item_id then ids[#ids + 1] = { item_id, field } end
      if offset == head.first then
        head.first = offset + 1
        head.bytes = head.bytes - #item
      end
    elseif offset >= head.first then
      return nil, true
    end
    head.oldest = offset + 1
  end
  local removed = 0
  while head.first <= head.top do
    local offset = head.first
    local is_one_too_many = is_due and head.top + 2 - offset > most and removed < MOST_TRIMMED
    if kept and head.bytes + size <= MOST_BYTES and not is_one_too_many then break end
    removed = removed + 1
    local field = string.format('%d', offset)
    local item = redis.call('HGET', hash, field)
    if not item then return nil, true end
    local stamp, item_id = read_item(item)
    head.bytes = head.bytes - #item
    head.first = offset + 1
    -- Its id counts longer than an event that is removed for others' sake.
    if item_id and math.abs(newest - stamp) < KEEP_MS then
      remembered[#remembered + 1] = field
      remembered[#remembered + 1] = string.format('%d %s', stamp, item_id)
    else
      fields[#fields + 1] = field
      if item_id then ids[#ids + 1] = { item_id, field } end
      if head.oldest == offset then
        head.oldest = offset + 1
        head.oldest_at = stamp
      end
    end
  end
  return { fields = fields, ids = ids, remembered = remembered }
end

local function call_in_parts (command, hash, arguments)
  for at = 1, #arguments, MOST_FIELDS do redis.call(command, hash, unpack(arguments, at, math.min(#arguments, at + MOST_FIELDS - 1))) end
end

-- Removes what was planned. The id of an event may have been given to a later one since, when it was too old.
local function trim (hash, plan)
  local fields = plan.fields
  for _, entry in ipairs(plan.ids) do
    local item_id, field = '=' .. entry[1], entry[2]
    if string.match(redis.call('HGET', hash, item_id) or '', '^%d+') == field then fields[#fields + 1] = item_id end
  end
  call_in_parts('HDEL', hash, fields)
  call_in_parts('HSET', hash, plan.remembered)
end
