-- How long a key lives that is to live for `ms` from any publication on: longer by a step, as it is told once in a step only.
local STEPS = 64
local function life (ms)
  return ms + math.ceil(ms / STEPS)
end

-- Whether now is another step than `before`.
local function is_step (ms, before)
  local step = ms / STEPS
  return now - now % step ~= before - before % step
end
