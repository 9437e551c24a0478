-- Counts an attempt and returns 0, or returns the wait. A refused attempt does not count. The key is a hash of sub-windows.
local function enter (key)
  if open_window(key, WINDOW, WIDTH, 0, now, 'list') >= LIMIT then return wait_for_window(key, WINDOW, WIDTH, LIMIT, now) end
  add_to_window(key, WIDTH, now, 1)
  return 0
end
