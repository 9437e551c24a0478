// The query of an upgrade, for both specifications.
import { SETTINGS } from '../../dist/config/settings.js'
import { mapKindsBy } from '../../dist/kinds.js'
import { PATHS } from '../../dist/connection/read-request.js'
import { ID_PATTERN } from '../../dist/wire/ids.js'

const ids = {
  anyOf: [{ type: 'string', const: '*' }, { type: 'array', items: { type: 'string', pattern: ID_PATTERN }, minItems: 1, maxItems: SETTINGS.WS_MAX_FILTER_IDS.default }]
}
const DESCRIPTIONS = {
  ...mapKindsBy('list', ({ claim, samples }) => [`a comma list of ${claim} to listen to; \`*\` alone: all that you may see now`, ids, samples[0]]),
  event_types: ['a comma list of the names of events to get; without it, all', ids, 'status'],
  refuse: ['`close`: tell a refusal by accepting and closing at once, since browsers cannot read an HTTP status', { type: 'string', enum: ['close'] }, 'close'],
  since: ['the position up to which you have had the events of your own topic, `user:<user_id>`: `welcome` says in `recovered` whether what came after follows', { type: 'string' }, undefined],
  ticket: ['what `POST /v1/tickets` gave: stands for the token, once, within 30 s, from the same address', { type: 'string' }, undefined],
  resume: ['the pass of a `closing` frame, good for one return', { type: 'string' }, undefined]
}

/** Query parameters of a WebSocket path besides `token`. */
export function queryParameters (path) {
  return [...PATHS.get(path), 'event_types', 'since', 'refuse', 'ticket', 'resume'].map((name) => {
    const [description, schema, example] = DESCRIPTIONS[name]
    return { name, description, schema, ...(example === undefined ? {} : { example }) }
  })
}
