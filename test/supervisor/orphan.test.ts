import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { PROJECT } from '../support/root.js'

const WORKER = fileURLToPath(new URL('dist/supervisor/worker-main.js', PROJECT))

t.test('a worker whose supervisor has gone before it was loaded does not serve without one', async (t) => {
  const issuer = await startIssuer(t)
  const env = { PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: '0', WS_WARM_UP: 'false', NODE_ID: 'orphan', PORTCULLIS_WORKER: '1', ...trust(issuer) }
  const worker = fork(WORKER, { env, execArgv: [], stdio: ['ignore', 'pipe', 'ignore', 'ipc'] })
  t.teardown(() => { worker.kill('SIGKILL') })
  const serves = new Promise((resolve) => {
    worker.stdout?.setEncoding('utf8').on('data', (text: string) => { if (text.includes('"server.started"')) resolve('it serves') })
  })
  const exited = once(worker, 'exit')
  // Closed before the worker has read a line of its program.
  worker.disconnect()
  t.same(await Promise.race([exited, serves]), [null, 'SIGKILL'])
})
