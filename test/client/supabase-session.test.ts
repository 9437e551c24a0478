import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { codeBlocks, readDocument } from '../docs/documents.js'
import { startIssuer } from '../support/issuer.js'
import { PROJECT } from '../support/root.js'
import { until } from '../support/until.js'
import { servePage } from './browser.js'
import { startRestartableGateway } from './restartable-gateway.js'

/** What of Supabase's library the guide's example uses: it says what it was asked, and tokens come from the test. */
const LIBRARY = (origin: string) => `
  import WebSocket from 'ws'
  globalThis.WebSocket = WebSocket
  let tell
  const sessionOf = async (name) => {
    console.log(name)
    return { data: { session: { access_token: await (await fetch('${origin}/token')).text() } } }
  }
  const supabase = { auth: {
    getSession: async () => await sessionOf('getSession'),
    refreshSession: async () => await sessionOf('refreshSession'),
    onAuthStateChange: (call) => { tell = call }
  } }
`
/** A user signs in, has the token renewed, and signs out, as the library tells it. */
const STORY = `
  tell('INITIAL_SESSION', null)
  console.log(String(client))
  tell('SIGNED_IN', {})
  const first = client
  client.on('state', ({ status }) => { console.log(status) })
  tell('TOKEN_REFRESHED', {})
  console.log(client === first)
  await new Promise((resolve) => { first.on('state', ({ status }) => { if (status === 'open') resolve() }) })
  tell('SIGNED_OUT', null)
  console.log(String(client))
`

t.test('the Supabase guide\'s example connects who signs in, takes another token for one that was refused, and ends with the sign-out', async (t) => {
  const [issuer, site] = await Promise.all([startIssuer(t), servePage(t)])
  const gateway = await startRestartableGateway(t, issuer)
  const nowS = Math.floor(Date.now() / 1000)
  let asked = 0
  site.token = () => issuer.sign({ agents: ['a1'], ...(asked++ === 0 ? { iat: nowS - 7200, exp: nowS - 3600 } : {}) })
  const [example = ''] = codeBlocks(readDocument('guides/supabase.md'), 'js')
  const program = [LIBRARY(site.origin), example, STORY].join('\n')
    .replace('wss://gateway.example.com/ws', gateway.url).replace("'portcullis/client'", JSON.stringify(new URL('dist/client/connect.js', PROJECT).href))
  const child = spawn(process.execPath, ['--input-type=module'], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill() })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  const ended = once(child, 'exit')
  child.stdin.end(program)
  await until('the sign-out', () => output.trim().endsWith('null') && output.includes('closed'))
  await ended
  const lines = output.trim().split('\n')
  t.same([lines.indexOf('null') < lines.indexOf('getSession'), lines.includes('true'), lines.includes('refreshSession')], [true, true, true])
  t.same(lines.filter(line => line === 'open' || line === 'closed'), ['open', 'closed'])
  t.ok(lines.indexOf('getSession') < lines.indexOf('refreshSession'), 'another one only once the first was refused')
})
