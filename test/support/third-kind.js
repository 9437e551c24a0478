// Loaded into a gateway before its own modules (`--import`): one more row in the table of kinds.
import { KINDS } from '../../dist/kinds.js'

KINDS.push({
  kind: 'room',
  claim: 'rooms',
  list: 'room_ids',
  path: '/ws/rooms',
  setting: 'WS_PG_ROOMS',
  relation: 'public.rooms',
  historySetting: 'WS_HISTORY_EVENTS_ROOM',
  samples: ['r1']
})
