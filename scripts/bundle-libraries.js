// Puts libraries of hundreds of small files into one file each below dist/libraries: of the 0.75 s of CPU time that a start
// took, nearly half was spent on opening and linking those files. `imports` in package.json leads `#typebox` and its kin there.
// esbuild's WebAssembly build: the same for every processor, no install script, no optional package.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { buildSync } from 'esbuild-wasm'

/** What each file offers. The names of a CommonJS library must be told one by one. */
const ENTRIES = {
  typebox: "export { default } from 'typebox'; export { Compile } from 'typebox/compile'",
  ioredis: "export { Cluster, Command, Redis, ReplyError, SentinelConnector } from 'ioredis'",
  'prom-client': "export { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'"
}
const FOLDER = 'dist/libraries'
const STAMP = `${FOLDER}/stamp.txt`
/** CommonJS libraries ask for Node's own modules by `require`. */
const BANNER = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

// The same releases and the same script make the same files.
const hash = createHash('sha256')
for (const path of ['package-lock.json', 'scripts/bundle-libraries.js']) hash.update(readFileSync(path))
const stamp = hash.digest('hex')
if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== stamp) {
  mkdirSync(FOLDER, { recursive: true })
  for (const [name, contents] of Object.entries(ENTRIES)) {
    buildSync({
      stdin: { contents, resolveDir: '.' },
      outfile: `${FOLDER}/${name}.js`,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      banner: { js: BANNER },
      logLevel: 'warning'
    })
  }
  writeFileSync(STAMP, stamp)
}
