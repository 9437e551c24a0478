import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { createDpopClient } from '../support/dpop.js'
import type { TestIssuer } from '../support/issuer.js'
import { outcomeThrough, type NextClient, type ThroughProxy } from './front-proxy.js'
import type { Lifetime } from '../support/gateway.js'

/** What a gateway needs beside its issuer so that each of the requests has an answer of its own. */
export const ASKED_SETTINGS = { SSF_AUDIENCE: 'receiver/1', PUBLISH_KEY: 'a-publish-key-of-at-least-32-bytes' }

interface Asked { readonly status: number, readonly body: string }

/** Asks by HTTP on the way of a client. */
async function ask (path: string, { base, certFile, from = '127.0.0.1', headers = {} }: ThroughProxy, body = '', method = 'POST'): Promise<Asked> {
  const url = new URL(base.replace(/^ws/, 'http') + path)
  const options = { method, headers: { connection: 'close', ...headers }, localAddress: from }
  return await new Promise((resolve, reject) => {
    const sent = url.protocol === 'https:'
      ? requestHttps(url, { ...options, ...(certFile === undefined ? {} : { ca: readFileSync(certFile) }) })
      : requestHttp(url, options)
    sent.once('error', reject).once('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => { text += part })
      response.on('end', () => { resolve({ status: response.statusCode ?? 0, body: text }) })
    })
    sent.end(body)
  })
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const LOGOUT = { 'http://schemas.openid.net/event/backchannel-logout': {} }
const SIGNAL = { 'https://schemas.openid.net/secevent/ssf/event-type/verification': {} }

const logoutForm = (issuer: TestIssuer): string => String(new URLSearchParams({
  logout_token: issuer.sign({ jti: randomUUID(), sid: 'gone', sub: undefined, events: LOGOUT }, { header: { typ: 'logout+jwt' } })
}))

const signal = (issuer: TestIssuer): string => issuer.sign(
  { aud: ASKED_SETTINGS.SSF_AUDIENCE, jti: randomUUID(), sub: undefined, exp: undefined, events: SIGNAL }, { header: { typ: 'secevent+jwt' } }
)

/** Tickets by a token alone, and by one that is bound to a key: the proof names the address that the client sees, or another. */
async function outcomesOfTickets (t: Lifetime, issuer: TestIssuer, through: NextClient): Promise<Record<string, unknown>> {
  const home = through()
  const plain = await ask('/v1/tickets', { ...home, headers: { authorization: `Bearer ${issuer.sign()}` } })
  const { ticket } = JSON.parse(plain.body) as { ticket: string }
  const holder = createDpopClient()
  const token = issuer.sign({ sub: 'bound', cnf: { jkt: holder.jkt } })
  const proven = async (target: string, more: Record<string, string> = {}): Promise<number> =>
    (await ask('/v1/tickets', through({ headers: { authorization: `DPoP ${token}`, dpop: holder.prove(target, token), ...more } }))).status
  const own = `${home.base.replace(/^ws/, 'http')}/v1/tickets`
  return {
    ticket: plain.status,
    'a socket by it': await outcomeThrough(t, `/ws?ticket=${ticket}`, home),
    'a socket by it again': await outcomeThrough(t, `/ws?ticket=${ticket}`, home),
    'a proof': await proven(own),
    'a proof for another host': await proven('https://evil.example/v1/tickets'),
    'and the client says that it is that host': await proven('https://evil.example/v1/tickets', {
      'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https'
    }),
    'what a browser asks before': (await ask('/v1/tickets', through({ headers: { origin: home.base.replace(/^ws/, 'http') } }), '', 'OPTIONS')).status
  }
}

/** What the requests that a proxy lets pass come to, by name, and those that it must not. */
export async function outcomesOfRequests (t: Lifetime, issuer: TestIssuer, through: NextClient): Promise<Record<string, unknown>> {
  const told = async (path: string, headers: Record<string, string>, body: string): Promise<number> =>
    (await ask(path, through({ headers }), body)).status
  const key = { 'x-publish-key': ASKED_SETTINGS.PUBLISH_KEY, 'content-type': 'application/json' }
  return {
    ...await outcomesOfTickets(t, issuer, through),
    logout: await told('/oidc/backchannel-logout', FORM, logoutForm(issuer)),
    'a logout that is none': await told('/oidc/backchannel-logout', FORM, 'logout_token=x'),
    signal: await told('/ssf/events', { 'content-type': 'application/secevent+jwt' }, signal(issuer)),
    publish: await told('/v1/publish', key, '{"topic":"agent:a1","event":"e","data":1}'),
    recheck: await told('/v1/recheck', key, '{"user_id":"alice"}'),
    'publish, written otherwise': await told('/v1//publish', key, '{"topic":"agent:a1","event":"e","data":1}')
  }
}

/** What they should come to. */
export const OUTCOMES = {
  ticket: 201,
  'a socket by it': 'open',
  'a socket by it again': '401',
  'a proof': 201,
  'a proof for another host': 401,
  'and the client says that it is that host': 401,
  'what a browser asks before': 204,
  logout: 200,
  'a logout that is none': 400,
  signal: 202,
  publish: 404,
  recheck: 404,
  'publish, written otherwise': 404
}
