-- Tells what the user of this connection may not do, without doing it. From Redis 7 on.
-- KEYS     none: the names are asked about, and not touched
-- ARGV     of each question a command in lower case and a key or channel
-- returns  the places of the questions that are denied, from 1 on; nothing where Redis cannot say
if not redis.acl_check_cmd then return false end
local denied = {}
for at = 1, #ARGV, 2 do
  local command, name = ARGV[at], ARGV[at + 1]
  local may
  if command == 'eval' or command == 'evalsha' then
    may = redis.acl_check_cmd(command, '', '1', name)
  else
    may = redis.acl_check_cmd(command, name)
  end
  if not may then denied[#denied + 1] = (at + 1) / 2 end
end
return denied
