-- Does the part of one item of a call. What goes wrong with one user's or address's key must not fail the other items: the
-- text of the error takes the place of the answer.
local function try (work, ...)
  local is_done, answer = pcall(work, ...)
  if is_done then return answer end
  return type(answer) == 'table' and answer.err or tostring(answer)
end

-- Adds a failure to a list of them: the place of its key in KEYS, and the text of the error.
local function note_failure (failures, key_at, text)
  failures[#failures + 1] = key_at
  failures[#failures + 1] = text
end
