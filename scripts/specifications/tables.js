// Markdown tables made from the code.
import { ACCESS_CAUSES } from '../../dist/access/causes.js'
import { KEY_FAULTS } from '../../dist/cli/check/check-issuer.js'
import { SETTINGS } from '../../dist/config/settings.js'
import { EVENTS } from '../../dist/observe/events.js'
import { COMMON_FIELDS, FIELDS } from '../../dist/observe/fields.js'
import { AWAY } from '../../dist/redis/describe-failure.js'
import { REFUSALS } from '../../dist/refusals.js'
import { TOKEN_CAUSES } from '../../dist/tokens/token-causes.js'
import { CLIENT_FRAMES } from '../../dist/wire/frames.js'
import { SERVER_FRAMES } from '../../dist/wire/server-frames.js'
import { AUTHENTICATION, CLOSE_CODES, RATE_LIMITS } from './words.js'

const escape = text => text.replaceAll('|', '\\|')
const row = cells => `| ${cells.map(escape).join(' | ')} |`
const table = (head, rows) => [row(head), `|${'---|'.repeat(head.length)}`, ...rows.map(row)]

function typeOf (schema) {
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeOf))].join(' or ')
  if (Array.isArray(schema.items)) return `\`${JSON.stringify(schema.items.map(item => item.const))}\``
  if (schema.type === 'array') return 'list of strings'
  if (schema.patternProperties !== undefined) return `object: ${Object.values(schema.patternProperties).map(typeOf).join()} by topic`
  if (schema.format === 'date-time') return 'ISO time'
  if (schema.type === 'string') return schema.maxLength === undefined ? 'string' : `string, at most ${schema.maxLength}`
  return schema.type ?? 'any JSON'
}

function fieldRows (schema, prefix = '') {
  return Object.entries(schema.properties).flatMap(([name, field]) => {
    if (name === 'type') return []
    const needed = schema.required.includes(name) ? 'always' : 'optional'
    const nested = field.properties !== undefined ? fieldRows(field, `${prefix}${name}.`) : []
    return [[`\`${prefix}${name}\``, typeOf(field), needed, field.description ?? ''], ...nested]
  })
}

function frameSection (direction, [name, schema]) {
  const fields = fieldRows(schema)
  return [
    `#### \`${name}\``,
    '',
    `${direction}. ${schema.description}`,
    '',
    ...(fields.length === 0 ? [] : [...table(['field', 'type', 'there', 'meaning'], fields), '']),
    '```json',
    ...schema.examples.map(example => JSON.stringify(example)),
    '```',
    ''
  ]
}

const framesOf = (direction, frames) => Object.entries(frames).flatMap(entry => frameSection(direction, entry)).slice(0, -1)

function logEvents () {
  return table(['event', 'level', 'when', 'fields', 'where there is something to say'], Object.entries(EVENTS).map(([event, { level, when, fields, optional }]) =>
    [`\`${event}\``, level, when, ...[fields, optional].map(names => names.map(field => `\`${field}\``).join(' '))]))
}

const wordRows = words => Object.entries(words).map(([word, text]) => [`\`${word}\``, text])

function databaseCauses () {
  return table(['word', 'what it means', 'what to look at'], Object.entries(ACCESS_CAUSES).map(([word, { means, todo }]) => [`\`${word}\``, means, todo]))
}

function refusals () {
  const beforeOpen = Object.entries(REFUSALS).filter(([, { status }]) => status !== null)
  return table(
    ['status', '`error`', 'meaning', 'come back?', 'as a close with `refuse=close`'],
    beforeOpen.map(([name, { status, message, reconnect, closable, closeCode }]) =>
      [String(status), `\`${name}\``, message, reconnect, closable ? String(closeCode) : 'no'])
  )
}

function allRefusals () {
  return table(
    ['name', 'HTTP', 'close code', 'reconnect?', 'told by close on `refuse=close`', 'meaning'],
    Object.entries(REFUSALS).map(([name, { status, closeCode, reconnect, closable, message }]) =>
      [`\`${name}\``, String(status ?? '–'), String(closeCode ?? '–'), reconnect, closable ? 'yes' : 'no', message])
  )
}

function bounds (schema) {
  if (schema.enum !== undefined) return schema.enum.map(value => `\`${value}\``).join(' ')
  if (schema.type === 'integer') return `${schema.minimum} to ${schema.maximum}`
  if (schema.type === 'boolean') return '`true` `false`'
  if (schema.secret === true) return schema.maxItems === undefined ? 'secret' : 'secret, or two with a comma'
  return schema.type === 'array' ? 'comma list' : 'text'
}

const shownDefault = ({ default: value = '' }) => String(value) === '' ? '' : `\`${value}\``

function settings () {
  return table(['setting', 'default', 'takes', 'meaning'],
    Object.entries(SETTINGS).map(([name, schema]) => [`\`${name}\``, shownDefault(schema), bounds(schema), schema.description]))
}

/** The marked sections of each document. */
export const SECTIONS = {
  'CAUSES.md': {
    'redis-causes': table(['word', 'what it means: what to look at'], wordRows(AWAY)),
    'key-causes': table(['word', 'the address …'], wordRows(KEY_FAULTS)),
    'token-causes': table(['word', 'what is wrong with the token: what to look at'], wordRows(TOKEN_CAUSES)),
    'database-causes': databaseCauses()
  },
  'PROTOCOL.md': {
    authentication: AUTHENTICATION.flatMap((paragraph, index) => index === 0 ? [paragraph] : ['', paragraph]),
    limits: RATE_LIMITS,
    refusals: refusals(),
    'client frames': framesOf('Client to server', CLIENT_FRAMES),
    'server frames': framesOf('Server to client', SERVER_FRAMES),
    'close codes': table(['code', '`error`', 'meaning', 'what to do'],
      CLOSE_CODES.map(({ code, error, meaning, what_to_do: whatToDo }) => [String(code), error === null ? '–' : `\`${error}\``, meaning, whatToDo]))
  },
  'LIFECYCLE.md': { refusals: allRefusals() },
  'SETTINGS.md': { settings: settings() },
  'LOGS.md': {
    events: logEvents(),
    fields: table(['field', 'meaning'], Object.entries({ ...COMMON_FIELDS, ...FIELDS }).map(([field, { meaning }]) => [`\`${field}\``, meaning]))
  }
}
