// Writes the README's tables of settings and refusals from the code, or with --check says whether they are up to date.
// Needs `npm run build`.
import { readFileSync, writeFileSync } from 'node:fs'
import { REFUSALS } from '../dist/refusals.js'
import { SETTINGS } from '../dist/config/settings.js'

const file = new URL('../README.md', import.meta.url)

function bounds (schema) {
  if (schema.enum !== undefined) return schema.enum.map(value => `\`${value}\``).join(' ')
  if (schema.type === 'integer') return `${schema.minimum} to ${schema.maximum}`
  if (schema.type === 'boolean') return '`true` `false`'
  if (schema.type === 'array') return 'comma list'
  return schema.secret === true ? 'secret' : 'text'
}

function shownDefault (schema) {
  if (schema.default === undefined) return ''
  const text = String(schema.default)
  return text === '' ? '' : `\`${text}\``
}

const escape = text => text.replaceAll('|', '\\|')
const settings = [
  '| setting | default | takes | meaning |',
  '|---|---|---|---|',
  ...Object.entries(SETTINGS).map(([name, schema]) => `| \`${name}\` | ${shownDefault(schema)} | ${bounds(schema)} | ${escape(schema.description)} |`)
]
const refusals = [
  '| name | HTTP | close code | reconnect? | told by close on `refuse=close` | meaning |',
  '|---|---|---|---|---|---|',
  ...Object.entries(REFUSALS).map(([name, { status, closeCode, reconnect, closable, message }]) =>
    `| \`${name}\` | ${status ?? '–'} | ${closeCode ?? '–'} | ${reconnect} | ${closable ? 'yes' : 'no'} | ${message} |`)
]

let text = readFileSync(file, 'utf8')
const before = text
for (const [mark, lines] of Object.entries({ settings, refusals })) {
  const [open, close] = [`<!-- ${mark} -->`, `<!-- /${mark} -->`]
  if (!text.includes(open) || !text.includes(close)) throw new Error(`README.md has no ${open} … ${close}`)
  text = `${text.slice(0, text.indexOf(open) + open.length)}\n${lines.join('\n')}\n${text.slice(text.indexOf(close))}`
}
if (process.argv.includes('--check')) {
  if (text !== before) {
    process.stderr.write('README.md is not up to date: run `npm run build && node scripts/readme-tables.js`\n')
    process.exitCode = 1
  }
} else {
  writeFileSync(file, text)
}
