-- Publishes on a channel, where the server takes writes: a demoted master, or one cut off from the others, would answer a bare
-- PUBLISH, and nobody who listens at the present master would hear it.
-- KEYS[1]  the channel. There is no such key: removing it changes nothing, and is refused where writes are
-- ARGV[1]  'PUBLISH', on a cluster 'SPUBLISH'
-- ARGV[2]  the message
-- returns  how many connections got it
local writable = redis.pcall('DEL', KEYS[1])
-- A master that cannot save its data refuses writes too, but everybody listens there.
if type(writable) == 'table' and not string.find(writable.err, 'MISCONF', 1, true) then
  return writable
end
return redis.call(ARGV[1], KEYS[1], ARGV[2])
