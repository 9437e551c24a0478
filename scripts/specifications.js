// Writes docs/asyncapi.json, docs/openapi.json and the tables that pages in docs/ have from the code, or with --check says which
// are not up to date. Needs `npm run build`.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { buildAsyncApi } from './specifications/asyncapi.js'
import { buildOpenApi } from './specifications/openapi.js'
import { SECTIONS } from './specifications/tables.js'

const docs = new URL('../docs/', import.meta.url)
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const textOf = file => existsSync(new URL(file, docs)) ? readFileSync(new URL(file, docs), 'utf8') : ''
const toText = specification => `${JSON.stringify(specification, null, 2)}\n`

/** A document with each of its marked sections as the code says. */
function fillIn (file, sections) {
  return Object.entries(sections).reduce((text, [mark, lines]) => {
    const [open, close] = [`<!-- ${mark} -->`, `<!-- /${mark} -->`]
    if (!text.includes(open) || !text.includes(close)) throw new Error(`docs/${file} has no ${open} … ${close}`)
    return `${text.slice(0, text.indexOf(open) + open.length)}\n${lines.join('\n')}\n${text.slice(text.indexOf(close))}`
  }, textOf(file))
}

const wanted = {
  'asyncapi.json': toText(buildAsyncApi(version)),
  'openapi.json': toText(buildOpenApi(version)),
  ...Object.fromEntries(Object.entries(SECTIONS).map(([file, sections]) => [file, fillIn(file, sections)]))
}
const stale = Object.entries(wanted).filter(([file, text]) => textOf(file) !== text)
if (!process.argv.includes('--check')) {
  for (const [file, text] of stale) writeFileSync(new URL(file, docs), text)
} else if (stale.length > 0) {
  const names = stale.map(([file]) => `docs/${file}`).join(', ')
  process.stderr.write(`not up to date: ${names}; run \`npm run build && node scripts/specifications.js\`\n`)
  process.exitCode = 1
}
