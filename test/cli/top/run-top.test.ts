import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { connect, connectRefused, freshAddress } from '../../support/client.js'
import { findFreePort } from '../../support/free-port.js'
import { startGateway, trust } from '../../support/gateway.js'
import { startIssuer } from '../../support/issuer.js'
import { until } from '../../support/until.js'
import { runCli } from '../run-cli.js'

t.test('one frame of a gateway with connections and refusals fits a terminal of 80 by 24', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  const client = await connect(t, gateway, `/ws?token=${issuer.sign()}`, { from: freshAddress() })
  await client.nextOf('welcome')
  await connectRefused(t, gateway, '/ws?token=none', { from: freshAddress() })
  const { code, stdout } = await runCli(['top', '--once', '--interval', '0.2', '--url', `http://127.0.0.1:${gateway.adminPort}`])
  t.equal(code, 0)
  const lines = stdout.trimEnd().split('\n')
  t.ok(lines.length <= 24 && lines.every(line => line.length <= 80))
  t.match(stdout, /^portcullis top {3}http:\/\/127\.0\.0\.1:\d+ {3}ready$/m)
  t.match(stdout, /^Connections {2}1 open$/m)
  t.match(stdout, /^Refusals {5}invalid_token 1$/m)
  t.match(stdout, /^Issuer keys {2}oidc \d+ s$/m)
})

t.test('without an admin port at the address, a frame says why and the exit code is 1', async (t) => {
  const nobody = await runCli(['top', '--once', '--url', `http://127.0.0.1:${await findFreePort()}`])
  t.match(nobody, { code: 1, stdout: 'cannot be reached' })
  const server = createServer((_request, response) => { response.end('hello') }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const other = await runCli(['top', '--once', '--url', `http://127.0.0.1:${(server.address() as AddressInfo).port}`])
  t.match(other, { code: 1, stdout: 'is no admin port of a gateway' })
})

t.test('on a terminal it redraws until q, and leaves the terminal as it was', async (t) => {
  let scrapes = 0
  const server = createServer((request, response) => {
    if (request.url === '/metrics') scrapes++
    response.end(request.url === '/metrics' ? `portcullis_connections ${scrapes}\n` : '{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  // util-linux's `script` gives it a terminal.
  const command = `stty rows 24 cols 80; exec "${process.execPath}" dist/cli/main.js top --interval 0.1 --url ${url}`
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  const closed = once(child, 'close') as Promise<[number | null]>
  await until('several frames were drawn', () => /Connections {2}3 open/.test(output))
  child.stdin.write('q')
  t.equal((await closed)[0], 0)
  t.ok(output.startsWith('\u001b[?1049h\u001b[?25l'), 'the second screen')
  t.ok(output.trimEnd().endsWith('\u001b[?25h\u001b[?1049l'), 'and back')
})
