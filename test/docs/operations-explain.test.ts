import t from 'tap'
import type { Explanation } from '../../src/explain/explanation.js'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { runCli } from '../cli/run-cli.js'
import { readDocument } from './documents.js'

const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'

interface Row { readonly outcome: string, readonly step: string, readonly decidedBy: string }

/** The rows of the table, in their order. */
function readRows (): Row[] {
  const page = readDocument('OPERATIONS.md')
  const table = page.slice(page.indexOf('<!-- explained -->'), page.indexOf('<!-- /explained -->'))
  return [...table.matchAll(/^\| \d\. [^|]+\| `(\w+)` \| `(\w+)` \| `(\w+)` \|/gm)].map(([, outcome = '', step = '', decidedBy = '']) => ({ outcome, step, decidedBy }))
}

t.test('the eight refused users of the page are explained as it says', async (t) => {
  const rows = readRows()
  t.equal(rows.length, 8)
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ADMIN_TOKEN, WS_ALLOWED_ORIGINS: 'https://old.example' })
  const order = async (method: string, path: string, body: unknown): Promise<void> => {
    t.equal((await gateway.admin(path, { method, headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, body: JSON.stringify(body) })).status, 204)
  }
  const [banned, crowded, now] = [freshAddress(), freshAddress(), Math.floor(Date.now() / 1000)]
  await order('PUT', `/v1/bans/${banned}`, { seconds: 600 })
  await order('POST', '/v1/revocations', { sid: 'tablet' })
  for (let i = 0; i < 10; i++) await connectRefused(t, gateway, '/ws', { from: crowded })
  const token = (claims: Record<string, unknown> = {}): string => issuer.sign({ sub: 'alice', agents: ['a1'], ...claims })
  for (let i = 0; i < 5; i++) await connect(t, gateway, `/ws?token=${token({ sub: 'tabs' })}`, { from: freshAddress() })

  const questions = [
    { token: token(), origin: 'https://new.example' },
    { token: token(), address: banned },
    { token: token(), address: crowded },
    { token: token({ iat: now - 7200, exp: now - 3600 }) },
    { token: token({ aud: 'another-service' }) },
    { token: token({ sid: 'tablet' }) },
    { token: token(), agent_ids: ['a9'] },
    { token: token({ sub: 'tabs' }) }
  ]
  const found = await Promise.all(questions.map(async (question, i) => {
    const response = await gateway.admin('/v1/explain', { method: 'POST', headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, body: JSON.stringify(question) })
    const { outcome, steps } = await response.json() as Explanation
    const { step = '', setting, claim } = steps.find(({ verdict }) => verdict === 'fail') ?? {}
    const wanted = rows[i]?.decidedBy ?? ''
    return { outcome, step, decidedBy: [setting, claim].includes(wanted) ? wanted : `${String(setting)} ${String(claim)}` }
  }))
  t.same(found, rows)

  await t.test('the command says the same of the last of them', async (t) => {
    const { code, stdout } = await runCli(['explain', '--url', `http://127.0.0.1:${gateway.adminPort}`, '--claims', '{"sub":"tabs"}'], { ADMIN_TOKEN })
    t.equal(code, 1)
    t.match(stdout, /^fail {2}user_slot {4}5 connections of "tabs" are open, WS_USER_CONNECTIONS is 5 \[WS_USER_CONNECTIONS\]$/m)
    t.match(stdout, /^outcome: user_connection_limit$/m)
  })
})
