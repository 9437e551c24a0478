// Finds the folder of a Keycloak to run: a copy of KEYCLOAK_HOME, or the distribution, which Maven fetches once into the cache.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The release that all of this was tried with. */
export const VERSION = '26.7.3'
const ARTIFACT = `org.keycloak:keycloak-quarkus-dist:${VERSION}:zip`
/** A release of its own: which one Maven would take without it depends on its age. */
const PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'
const LEAST_JAVA = 17
const FETCH_MS = 900_000

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'portcullis')

/** The major version of the Java in the PATH, or of JAVA_HOME; 0: there is none. */
function javaVersion () {
  const java = process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'java') : 'java'
  const { stderr } = spawnSync(java, ['-version'], { encoding: 'utf8' })
  return Number(/version "(\d+)/.exec(stderr ?? '')?.[1] ?? 0)
}

/** Why no Keycloak can be run here; null: it can. */
export function findHindrance () {
  if (javaVersion() < LEAST_JAVA) return `it needs Java ${LEAST_JAVA} or newer`
  if (process.env.KEYCLOAK_HOME) return existsSync(join(process.env.KEYCLOAK_HOME, 'bin', 'kc.sh')) ? null : 'KEYCLOAK_HOME holds no bin/kc.sh'
  if (existsSync(join(cache, `keycloak-${VERSION}`))) return null
  return spawnSync('mvn', ['--version'], { stdio: 'ignore' }).status === 0 ? null : 'it needs Maven, which fetches Keycloak, or KEYCLOAK_HOME'
}

/** Maven unpacks it itself, with its own settings. Two who fetch at once do not meet: the first to be ready is taken. */
function fetchOnce (note) {
  const place = join(cache, `keycloak-${VERSION}`)
  if (existsSync(place)) return place
  note(`fetching Keycloak ${VERSION} (once, 180 MB)`)
  mkdirSync(cache, { recursive: true })
  const part = mkdtempSync(join(cache, 'keycloak.part-'))
  try {
    execFileSync('mvn', ['--batch-mode', '--quiet', `${PLUGIN}:unpack`, `-Dartifact=${ARTIFACT}`, `-DoutputDirectory=${part}`], {
      cwd: part, stdio: ['ignore', 'inherit', 'inherit'], timeout: FETCH_MS
    })
    if (!existsSync(place)) renameSync(join(part, `keycloak-${VERSION}`), place)
  } finally {
    rmSync(part, { recursive: true, force: true })
  }
  return place
}

/**
 * A folder that this run may write into. Keycloak keeps its build below `lib`, so the cached one starts fast from its
 * second start on; a KEYCLOAK_HOME is copied into `folder`, without its data, and stays as it is.
 */
export function findHome (folder, note) {
  const given = process.env.KEYCLOAK_HOME
  if (!given) return fetchOnce(note)
  const copy = join(folder, 'home')
  cpSync(given, copy, { recursive: true, filter: (source) => source !== join(given, 'data') })
  return copy
}
