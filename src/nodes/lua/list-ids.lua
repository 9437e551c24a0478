-- Lists some of the connections that have a record, without the records.
-- KEYS[1]  the node's records
-- ARGV[1]  cursor: 0 at first
-- ARGV[2]  about how many
-- returns  {the next cursor (0: that was all), id, id, ...}
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local ids = { page[1] }
for i = 1, #page[2], 2 do
  if page[2][i] ~= '' then ids[#ids + 1] = page[2][i] end
end
return ids
