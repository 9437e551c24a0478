-- Takes apart the key of a topic's head, `<prefix>ws:history:{<prefix>ws:topic:<kind>:<id>}`. Returns a table of `prefix`, `channel`,
-- `kind` and `most` (events that are kept of this kind), or nil and the text of an error.
local function read_topic (key)
  local prefix, channel = string.match(key, '^([%w._:-]*)ws:history:{(.*)}$')
  if not prefix or string.sub(channel, 1, #prefix) ~= prefix or string.find(channel, 'ws:topic:', #prefix + 1, true) ~= #prefix + 1 then
    return nil, 'ERR the key must be <prefix>ws:history:{<prefix>ws:topic:<topic>}'
  end
  local kind, id = string.match(channel, '^ws:topic:([^:]+):(.+)$', #prefix + 1)
  local most = MOST_EVENTS[kind or '']
  if not most then return nil, 'ERR the key names no kind of topic that is known here' end
  -- Another spelling of an id would number the same topic a second time.
  local other = string.find(id, '[^%w._-]')
  if other then
    local rest = string.gsub(id, '%%([0-9A-F][0-9A-F])', function (hex)
      if not string.find(string.char(tonumber(hex, 16)), '[%w._-]') then return '' end
    end)
    other = string.find(rest, '[^%w._-]')
  end
  if other then
    return nil, 'ERR the id in the key must be percent-encoded outside A-Za-z0-9._- and nowhere else, with upper-case hex'
  end
  return { prefix = prefix, channel = channel, kind = kind, most = most }
end
