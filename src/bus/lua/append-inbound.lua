-- Adds a client's message to the stream, unless it is full; never trims: what is stored is the back end's.
-- KEYS[1]  the stream
-- ARGV[1]  most entries
-- ARGV[2]  connection_id
-- ARGV[3]  user_id
-- ARGV[4]  to
-- ARGV[5]  data, JSON
-- ARGV[6]  ts, ISO 8601
-- returns  1 stored, 0 full
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then
  return 0
end
redis.call('XADD', KEYS[1], '*',
  'connection_id', ARGV[2], 'user_id', ARGV[3], 'to', ARGV[4], 'data', ARGV[5], 'ts', ARGV[6])
return 1
