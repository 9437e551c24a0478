// node bench/servers/centrifugo-binary.js: prints the folder of peers, Centrifugo in it where it can be built.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const VERSION = '6.9.1'
const MODULE = `github.com/centrifugal/centrifugo/v6@v${VERSION}`
const BUILD_TIMEOUT_MS = 1_800_000

/** Where programs that the bench compares with are kept: outside the tree, and named by PORTCULLIS_PEERS. */
const folder = process.env.PORTCULLIS_PEERS ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'portcullis', 'peers')
const place = join(folder, `centrifugo-${VERSION}`)
const binary = join(place, 'centrifugo')

const note = text => { process.stderr.write(`bench: ${text}\n`) }

/** What the tables call it. */
export const CENTRIFUGO = `Centrifugo ${VERSION}`

/** @type {string | null | undefined} */
let found

/**
 * The path of the binary; the Go module proxy's, built once, some minutes. Null, with a word, where there is no Go or the
 * build fails: the bench then goes on without it.
 * @returns {string | null}
 */
export function findCentrifugo () {
  if (found === undefined) found = existsSync(binary) ? binary : build()
  return found
}

function build () {
  if (spawnSync('go', ['version'], { stdio: 'ignore' }).status !== 0) {
    note(`no ${CENTRIFUGO}: it is built with Go, which is not here; PORTCULLIS_PEERS may name a folder that has it`)
    return null
  }
  note(`building ${CENTRIFUGO} (once, some minutes)`)
  mkdirSync(folder, { recursive: true })
  const part = mkdtempSync(join(folder, 'part-'))
  try {
    // Without C it runs on any Linux, so that the image's platform can borrow it.
    const { status } = spawnSync('go', ['install', '-trimpath', MODULE], {
      env: { ...process.env, GOBIN: part, CGO_ENABLED: '0' }, stdio: ['ignore', 'ignore', 'pipe'], timeout: BUILD_TIMEOUT_MS
    })
    if (status !== 0) {
      note(`no ${CENTRIFUGO}: go install ${MODULE} failed`)
      return null
    }
    mkdirSync(place, { recursive: true })
    renameSync(join(part, 'centrifugo'), binary)
    return binary
  } finally {
    rmSync(part, { recursive: true, force: true })
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  findCentrifugo()
  mkdirSync(folder, { recursive: true })
  process.stdout.write(`${folder}\n`)
}
