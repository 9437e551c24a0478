import t from 'tap'
import { connect } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { runCli } from './run-cli.js'

t.test('a token of the development gateway opens a connection as its user, with its rights and for its time', async (t) => {
  const gateway = await startGateway(t, { PORT: String(await findFreePort()) }, { program: 'dist/dev/main.js' })
  const url = `http://127.0.0.1:${gateway.port}`
  const { code, stdout } = await runCli(['token', '--url', url, '--sub', 'bob', '--agents', 'a7', '--ttl', '120'])
  t.equal(code, 0)
  const client = await connect(t, gateway, `/ws?agent_ids=a7&token=${stdout.trim()}`)
  const welcome = await client.nextOf('welcome')
  t.equal(welcome['user_id'], 'bob')
  const leftS = (Date.parse(String(welcome['expires_at'])) - Date.now()) / 1000
  t.ok(leftS > 60 && leftS <= 120, `${leftS} s`)
  t.same((await client.nextOf('subscribed'))['agent_ids'], ['a7'])
})

t.test('without a development gateway there is no token, and one line says why', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  const production = await runCli(['token', '--url', `http://127.0.0.1:${gateway.port}`])
  t.match(production, { code: 1, stdout: '', stderr: 'has no development issuer' })
  const nobody = await runCli(['token', '--url', `http://127.0.0.1:${await findFreePort()}`])
  t.match(nobody, { code: 1, stdout: '', stderr: /cannot be reached: is the development gateway running/ })
  for (const args of [['--url', 'ftp://127.0.0.1'], ['--url', 'http://user:secret@127.0.0.1'], ['--ttl', 'soon'], ['--ttl', '999999']]) {
    t.match(await runCli(['token', ...args]), { code: 1, stdout: '', stderr: /^error: option '--(url|ttl) / }, args.join(' '))
  }
})

t.test('the command alone is a start', async (t) => {
  const { code, stderr } = await runCli([], { PORT: 'x' })
  t.equal(code, 1)
  t.match(stderr, /portcullis: \d+ wrong or missing settings:\n {2}PORT: /)
})
