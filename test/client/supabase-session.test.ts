import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { codeBlocks, readDocument } from '../docs/documents.js'
import { startIssuer } from '../support/issuer.js'
import { PROJECT } from '../support/root.js'
import { until } from '../support/until.js'
import { startRestartableGateway } from './restartable-gateway.js'
import { startSupabaseAuth } from './supabase-auth.js'

const MODULE = pathToFileURL(createRequire(import.meta.url).resolve('@supabase/supabase-js')).href
/** What an application does before the guide's example. */
const LIBRARY = (url: string) => `
  import WebSocket from 'ws'
  import { createClient } from '${MODULE}'
  globalThis.WebSocket = WebSocket
  const supabase = createClient('${url}', 'sb_publishable_made_up', { auth: { persistSession: false, autoRefreshToken: false } })
`
/** A user signs in, has the token renewed, and signs out. The library tells the example of each. */
const STORY = `
  const said = (status) => new Promise((resolve) => { client.on('state', (state) => { if (state.status === status) resolve() }) })
  await supabase.auth.signInWithPassword({ email: 'alice@example.com', password: 'made-up' })
  const first = client
  client.on('state', ({ status }) => { console.log(status) })
  await said('open')
  await supabase.auth.refreshSession()
  console.log(client === first)
  const closed = said('closed')
  await supabase.auth.signOut({ scope: 'local' })
  await closed
  console.log(String(client))
  process.exit(0)
`

t.test('the Supabase guide\'s example, with Supabase\'s library: sign-in connects, a refused token is followed by another one, sign-out ends it', async (t) => {
  const issuer = await startIssuer(t)
  const nowS = Math.floor(Date.now() / 1000)
  let signed = 0
  // The first is one that the gateway refuses, whatever the library thinks of it.
  const auth = await startSupabaseAuth(t, () => issuer.sign({ agents: ['a1'], ...(signed++ === 0 ? { iat: nowS - 7200, exp: nowS - 3600 } : {}) }))
  const gateway = await startRestartableGateway(t, issuer)
  const [example = ''] = codeBlocks(readDocument('guides/supabase.md'), 'js')
  const program = [LIBRARY(auth.url), example, STORY].join('\n')
    .replace('wss://gateway.example.com/ws', gateway.url).replace("'@portcullis/client'", JSON.stringify(new URL('dist/client/connect.js', PROJECT).href))
  const child = spawn(process.execPath, ['--input-type=module'], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill() })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  const ended = once(child, 'exit')
  child.stdin.end(program)
  await until('the sign-out', () => output.trim().endsWith('null'))
  t.same(await ended, [0, null])
  const lines = output.trim().split('\n')
  t.same(lines.filter(line => line === 'open' || line === 'closed'), ['open', 'closed'])
  t.ok(lines.includes('true'), 'a renewed token keeps the client')
  t.same(auth.asked, ['password', 'refresh_token', 'refresh_token', 'logout'], 'another one only once the first was refused')
})
