-- Tells what the user of this connection may not do, without doing it. From Redis 7 on.
-- KEYS     none: the names are asked about, and not touched
-- ARGV     of each question a command in lower case and a key or channel, or '' for a command that takes none
-- returns  the places of the questions that are denied, from 1 on; nothing where Redis cannot say
if not redis.acl_check_cmd then return false end
-- Redis 8 takes a question with as many arguments as the command has at least, and Redis 7 takes any number: the first that fits.
local function may_do(...)
  local question = {...}
  for _ = 1, 6 do
    local asked, may = pcall(redis.acl_check_cmd, unpack(question))
    if asked then return may end
    question[#question + 1] = '1'
  end
  -- Redis knows no such command: an operator has renamed it, or switched it off.
  return false
end
local denied = {}
for at = 1, #ARGV, 2 do
  local command, name = ARGV[at], ARGV[at + 1]
  local may
  if command == 'eval' or command == 'evalsha' then
    may = may_do(command, '', '1', name)
  elseif name == '' then
    may = may_do(command)
  else
    may = may_do(command, name)
  end
  if not may then denied[#denied + 1] = (at + 1) / 2 end
end
return denied
