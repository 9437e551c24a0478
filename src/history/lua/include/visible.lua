-- What is too old is measured against the newer of Redis's clock and the stamp of the top: the clock may have been set back.
local function is_too_old (stamp, head)
  return math.max(now, head.stamp) - stamp >= KEEP_MS
end

-- The first offset of which it and all after it are kept and not too old; behind the top where none is. Events are looked up by
-- halves, as they are in the order of their stamps.
local function find_first (key, topic, head)
  local first = math.max(head.first, head.top - topic.most + 1)
  if is_bare(head) or first > head.top then return head.top + 1 end
  local hash, last = name_hash(key, head), head.top
  local place = first
  while first < last do
    local item = redis.call('HGET', hash, place)
    if not item then return head.top + 1 end
    if is_too_old(read_item(item), head) then first = place + 1
    elseif place == first then return first
    else last = place end
    place = math.floor((first + last) / 2)
  end
  return redis.call('HGET', hash, first) and first or head.top + 1
end
