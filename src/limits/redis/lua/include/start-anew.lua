-- A command has failed: if the limit was on the other side of 1000 before, the key has the `former` type, and starts anew.
-- Any other value there is not ours: the error is raised as the command, `...`, raises it.
local function start_anew (key, former, ...)
  if redis.call('TYPE', key).ok ~= former then return redis.call(...) end
  redis.call('DEL', key)
end
