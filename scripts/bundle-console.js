// Puts the console's page together (dist/dev/console.html): its modules and its style stand in it, so that it loads nothing, and its
// policy names both by their hashes (src/dev/dev-routes.ts).
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { buildSync } from 'esbuild-wasm'

const SOURCES = 'src/dev/console'
const PAGE = 'dist/dev/console.html'
const STAMP = 'dist/dev/console.stamp'

/**
 * Fills the one empty element of this name.
 * @param {string} page
 * @param {string} element
 * @param {string} text
 */
function fill (page, element, text) {
  const empty = new RegExp(`(<${element}[^>]*>)\\s*(</${element}>)`)
  if (!empty.test(page)) throw new Error(`page.html has no empty <${element}>`)
  return page.replace(empty, (_all, open, close) => `${open}\n${text}${close}`)
}

const hash = createHash('sha256')
for (const file of readdirSync(SOURCES).sort()) hash.update(file).update(readFileSync(`${SOURCES}/${file}`))
for (const path of ['package-lock.json', 'scripts/bundle-console.js']) hash.update(readFileSync(path))
const stamp = hash.digest('hex')
if (!existsSync(PAGE) || !existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== stamp) {
  const { outputFiles: [script] } = buildSync({
    entryPoints: [`${SOURCES}/main.js`], bundle: true, format: 'esm', target: 'es2022', charset: 'utf8', write: false, logLevel: 'warning'
  })
  const page = fill(readFileSync(`${SOURCES}/page.html`, 'utf8'), 'style', readFileSync(`${SOURCES}/style.css`, 'utf8'))
  writeFileSync(PAGE, fill(page, 'script', script.text))
  writeFileSync(STAMP, stamp)
}
