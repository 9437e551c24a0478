import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { ensureServer } from './ensure-server.js'
import { findAccount, type TestPostgres } from './postgres.js'
import { findFreePort } from './free-port.js'

/** Starts a transaction pooler with a single server connection, which all its clients share; ended at the test's teardown. */
export async function startPgbouncer (t: Test, server: TestPostgres): Promise<Pick<TestPostgres, 'url'>> {
  const port = await findFreePort()
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-pgbouncer-'))
  await chmod(folder, 0o755)
  const [settings, users] = [join(folder, 'pgbouncer.ini'), join(folder, 'users.txt')]
  await writeFile(users, '"portcullis_login" ""\n')
  await writeFile(settings, `
[databases]
* = host=127.0.0.1 port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
default_pool_size = 1
`)
  const pooler = spawn(ensureServer('pgbouncer'), [settings], { ...await findAccount(), stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(async () => {
    if (pooler.exitCode === null && pooler.kill('SIGKILL')) await once(pooler, 'exit')
    await rm(folder, { recursive: true, force: true })
  })
  // A test file that crashes runs no teardown.
  const killAtExit = (): void => { pooler.kill('SIGKILL') }
  process.once('exit', killAtExit)
  pooler.once('exit', () => { process.off('exit', killAtExit) })
  let log = ''
  await new Promise<void>((resolve, reject) => {
    pooler.on('error', reject)
    pooler.on('exit', () => { reject(new Error(`PgBouncer did not start: ${log}`)) })
    pooler.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-4000)
      if (log.includes('process up')) resolve()
    })
  })
  return { url: (role, database = 'postgres') => `postgres://${role}@127.0.0.1:${port}/${database}` }
}
