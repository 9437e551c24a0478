local key, event, data, id = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local channel = string.match(key, '{(.*)}$')
local time = redis.call('TIME')
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
local rep = string.sub(replid, 1, 8)
local head = redis.call('HGET', key, '')
local birth, offset, total, first
if head then
  local r
  birth, offset, total, first, r = string.match(head, '^(%d+) (%d+) (%d+) (%d+) (%x+)$')
  if r ~= rep then birth = nil end
end
if not birth then birth, offset, total, first = time[1] .. string.format('%06d', time[2]), 0, 0, 1 ; redis.call('DEL', key) end
offset = offset + 1
local ts = time[1] .. string.format('%03d', math.floor(time[2]/1000))
local pos = birth .. rep .. ':' .. string.format('%.0f', offset)
local msg = '{"pos":"' .. pos .. '","ts":' .. ts .. ',"event":' .. event .. ',"data":' .. data .. '}'
total = total + #msg
first = tonumber(first)
if offset - first >= 200 then
  total = total - redis.call('HSTRLEN', key, first)
  redis.call('HDEL', key, first)
  first = first + 1
end
redis.call('HSET', key, '', birth .. ' ' .. string.format('%.0f', offset) .. ' ' .. string.format('%.0f', total) .. ' ' .. string.format('%.0f', first) .. ' ' .. rep, string.format('%.0f',offset), msg)
redis.call('PEXPIRE', key, 86400000)
redis.call('PUBLISH', channel, msg)
return pos
