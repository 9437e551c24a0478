-- Redis's own clock, in whole ms: all processes share it, whatever their own clocks say.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
