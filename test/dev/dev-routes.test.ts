import t from 'tap'
import { readClientFiles } from '../../src/dev/client-files.js'
import { createDevIssuer } from '../../src/dev/dev-issuer.js'
import { createDevRoutes } from '../../src/dev/dev-routes.js'
import { renderAnswer, type RenderedAnswer } from '../../src/http/render-answer.js'
import type { Route } from '../../src/http/route.js'
import { readQuery } from '../../src/http/target.js'
import { offenders } from '../support/offenders.js'
import { PROJECT } from '../support/root.js'

const issuer = createDevIssuer('http://127.0.0.1:9001/dev', 'portcullis-dev')
const PAGE = 'http://localhost:5173'
const clientFiles = readClientFiles(new URL('dist/client/', PROJECT))
const createRoutes = (anyOrigin: boolean, origins: readonly string[]): Route[] => createDevRoutes(issuer, {
  publishKey: null,
  limits: { addressConnections: 10, addressWindowMs: 60_000, userConnections: 5, messages: 100, messageWindowMs: 60_000 }
}, { clientFiles, allowed: { anyOrigin, origins: new Set(origins) } })
const listed = createRoutes(false, [PAGE])

async function get (path: string, query = '', { origin = '', routes = listed } = {}): Promise<RenderedAnswer> {
  const route = routes.find(route => route.path === path)
  if (route === undefined) throw new Error(`no ${path}`)
  const headers = new Map(origin === '' ? [] : [['origin', origin]])
  const address = { ip: '127.0.0.1', key: '127.0.0.1' }
  return renderAnswer(await route.serve({ params: {}, query: readQuery(query), hasPlainPlus: false, headers, address, viaTrustedProxy: false, readBody: async () => ({ ok: true, bytes: Buffer.from('') }) }))
}
const claimsOf = ({ body }: RenderedAnswer): Record<string, unknown> => JSON.parse(Buffer.from(body.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>

t.test('a token for the asking, as plain text, with what was asked for', async (t) => {
  const answer = await get('/dev/token', 'sub=bob&agents=a1,a2&tasks=*&scope=other&ttl=300')
  t.equal(answer.status, 200)
  t.match(Object.fromEntries(answer.headers), { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' })
  const claims = claimsOf(answer)
  t.match(claims, { sub: 'bob', agents: ['a1', 'a2'], tasks: '*', scope: 'other', iss: 'http://127.0.0.1:9001/dev', aud: 'portcullis-dev' })
  t.equal(Number(claims['exp']) - Number(claims['iat']), 300)
  t.match(claimsOf(await get('/dev/token')), { sub: 'alice', agents: ['a1', 'a2'], tasks: ['t1'], scope: 'ws:send' })
  t.match(claimsOf(await get('/dev/token', 'agents=&tasks=')), { agents: [], tasks: [] })
})

t.test('a lifetime that is no number, or too long, is refused', async (t) => {
  t.same(await offenders(['soon', '1e3', '86401', '9999999', '1.5', ''], async ttl => (await get('/dev/token', `ttl=${ttl}`)).status === 400), [])
  t.equal((await get('/dev/token', 'ttl=86400')).status, 200)
  const expired = claimsOf(await get('/dev/token', 'ttl=-60'))
  t.ok(Number(expired['exp']) < Number(expired['iat']), 'an expired one, to see it refused')
})

t.test('the console page stands alone: no other origin is loaded or called', async (t) => {
  const answer = await get('/')
  t.equal(answer.status, 200)
  t.match(Object.fromEntries(answer.headers)['Content-Security-Policy'], /^default-src 'none'/)
  t.match(answer.body, /^<!doctype html>/i)
  t.notMatch(answer.body, /(src|href)="?https?:/)
  t.match(answer.body, /<style>\s*:root \{[^]*<script type="module">[^]*loadFacts\(\)\.catch/, 'its parts stand in it')
  t.notMatch(answer.body, /^import /m, 'so it asks for none')
})

t.test('the keys are those that verify the tokens', async (t) => {
  const answer = await get('/dev/jwks.json')
  t.equal(answer.body, issuer.jwks())
})

t.test('only a page that may connect may read tokens and the client across origins', async (t) => {
  const across = async (path: string, origin: string, routes?: Route[]): Promise<[string | undefined, string | undefined]> => {
    const { headers } = await get(path, 'ttl=soon', { origin, ...(routes === undefined ? {} : { routes }) })
    const { 'Access-Control-Allow-Origin': allowed, Vary: vary } = Object.fromEntries(headers)
    return [allowed, vary]
  }
  for (const path of ['/dev/token', '/client/connect.js']) {
    t.same(await across(path, PAGE), [PAGE, 'Origin'], path)
    for (const origin of ['', 'null', '*', `${PAGE}/`, `${PAGE}0`, 'https://localhost:5173', 'http://LOCALHOST:5173', 'http://evil.example']) {
      t.same(await across(path, origin), [undefined, 'Origin'], `${path} ${origin}`)
    }
    for (const origin of [PAGE, 'null', '']) t.same(await across(path, origin, createRoutes(true, ['*'])), ['*', undefined], `any: ${path} ${origin}`)
    t.same(await across(path, 'http://127.0.0.1:9001', createRoutes(false, [])), [undefined, 'Origin'], `none: ${path}`)
  }
  for (const path of ['/', '/dev/example', '/dev/console.json', '/dev/jwks.json']) t.same(await across(path, PAGE), [undefined, undefined], path)
})
