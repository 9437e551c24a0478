import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chown, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import postgres from 'postgres'
import type { Test } from 'tap'
import { ensureServer } from './ensure-server.js'
import { findFreePort } from './free-port.js'
import { PROJECT } from './root.js'
import { until } from './until.js'

/** A private Postgres of one test file: own port, own folder, nothing kept; ended at the test's teardown. */
export interface TestPostgres {
  readonly port: number
  /** The cluster's superuser, `postgres`. */
  readonly adminUrl: string
  readonly admin: postgres.Sql
  /** The address for one login role; nobody needs a password. */
  url (role: string, database?: string): string
  /** Makes a database with the sample schema and its two tenants, and resolves with its name. */
  createSample (name: string): Promise<string>
  /** Loads the sample schema and its tenants into a database. */
  loadSample (database: string): Promise<void>
  /** What the server has written since it began, up to now. */
  readLog (): Promise<string>
  /** Ends the server as a crash would. */
  stop (): Promise<void>
  /** Starts it again on the same port, with what it had. */
  restart (): Promise<void>
}

export interface Account {
  readonly uid?: number
  readonly gid?: number
}

const run = promisify(execFile)
const MAX_LOG_CHARS = 1_000_000
const sampleFolder = fileURLToPath(new URL('src/access/sample/', PROJECT))

/** Postgres refuses to run as root: then it runs as Debian's `postgres`, or as `nobody`. */
export async function findAccount (): Promise<Account> {
  if (process.getuid?.() !== 0) return {}
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
    } catch {
      // This account does not exist: the next one.
    }
  }
  throw new Error('the tests need an unprivileged account to run Postgres as')
}

interface Launched {
  readonly server: ChildProcess
  readonly log: () => string
}

/** Starts the server and waits until it says that it is ready. */
async function launch (program: string, folder: string, port: number, account: Account): Promise<Launched> {
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off', 'shared_buffers=16MB', 'max_connections=60']
  const args = ['-D', folder, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])]
  const server = spawn(program, args, { ...account, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  // A test file that crashes runs no teardown.
  const killAtExit = (): void => { server.kill('SIGQUIT') }
  process.once('exit', killAtExit)
  server.once('exit', () => { process.off('exit', killAtExit) })
  let log = ''
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject)
    server.on('exit', () => { reject(new Error(`Postgres did not start: ${log}`)) })
    server.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-MAX_LOG_CHARS)
      if (log.includes('ready to accept connections')) resolve()
    })
  })
  return { server, log: () => log }
}

async function kill (server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const exited = once(server, 'exit')
  // SIGQUIT: every backend drops its connection without a word, and nothing is written.
  server.kill('SIGQUIT')
  await exited
}

/** Makes a folder that the account owns. */
async function makeFolder (prefix: string, { uid, gid }: Account): Promise<string> {
  const folder = await mkdtemp(prefix)
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid)
  return folder
}

/** Makes a cluster in a new folder whose name starts with `prefix`. */
async function initialize (program: string, prefix: string, account: Account): Promise<string> {
  const folder = await makeFolder(prefix, account)
  const args = ['-D', folder, '-U', 'postgres', '--auth=trust', '--no-sync', '--no-instructions', '--locale=C', '--encoding=UTF8']
  await run(join(dirname(program), 'initdb'), args, { ...account, cwd: folder })
  return folder
}

/**
 * A new cluster's folder. initdb takes seconds, so one run of the suite makes one cluster, in the folder that the runner
 * gives to its files and removes after them; each test has a copy.
 */
async function makeCluster (program: string, account: Account): Promise<string> {
  const prefix = join(tmpdir(), 'portcullis-postgres-')
  const runFolder = process.env['PORTCULLIS_TEST_RUN']
  if (runFolder === undefined) return await initialize(program, prefix, account)
  const template = join(runFolder, 'postgres')
  if (!existsSync(template)) {
    const made = await initialize(program, join(runFolder, 'making-'), account)
    // Two files may make it at once: a folder that is not empty stands against the rename of the second.
    await rename(made, template).catch(async () => { await rm(made, { recursive: true, force: true }) })
  }
  const folder = await makeFolder(prefix, account)
  await run('cp', ['-a', `${template}/.`, folder], { ...account, cwd: folder })
  return folder
}

/** Makes a cluster and starts it. Binaries: on the PATH or Debian's; installed when they are missing and may be. */
export async function startPostgres (t: Test): Promise<TestPostgres> {
  const program = ensureServer('postgres')
  const account = await findAccount()
  const folder = await makeCluster(program, account)
  const port = await findFreePort()
  let { server, log } = await launch(program, folder, port, account)
  let marks = 0
  const url = (role: string, database = 'postgres'): string => `postgres://${role}@127.0.0.1:${port}/${database}`
  const connectAdmin = (database: string): postgres.Sql => postgres(url('postgres', database), { max: 1, onnotice: () => {} })
  const admin = connectAdmin('postgres')

  async function loadSample (database: string): Promise<void> {
    const sample = connectAdmin(database)
    for (const file of ['schema.sql', 'seed.sql']) await sample.unsafe(await readFile(join(sampleFolder, file), 'utf8')).simple()
    await sample.end()
  }

  t.teardown(async () => {
    await admin.end({ timeout: 1 })
    await kill(server)
    await rm(folder, { recursive: true, force: true })
  })

  return {
    port,
    adminUrl: url('postgres'),
    admin,
    url,
    async createSample (name) {
      await admin.unsafe(`create database "${name}"`)
      await loadSample(name)
      return name
    },
    loadSample,
    async readLog () {
      const mark = `mark ${++marks} of ${process.pid}`
      await admin.unsafe(`do $$ begin raise warning '${mark}'; end $$`)
      await until('the log was read up to now', () => log().includes(mark))
      return log()
    },
    stop: () => kill(server),
    async restart () { ({ server, log } = await launch(program, folder, port, account)) }
  }
}
