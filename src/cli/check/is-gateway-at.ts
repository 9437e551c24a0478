import { once } from 'node:events'
import { request as requestPlainly, type IncomingMessage } from 'node:http'
import { request as requestByTls } from 'node:https'
import { networkInterfaces } from 'node:os'
import { setTimeout } from 'node:timers/promises'

const TIMEOUT_MS = 5000
const TRIES = 3
const PAUSE_MS = 300
/** What a gateway of ours answers that takes nobody in at the moment. */
const BUSY = /"error":"(?:overloaded|restarting|unavailable)"/
const MAX_BODY_BYTES = 4096

/** A question that a gateway's port answers in its own way: what it answers to a GET. */
export interface Ask {
  readonly tls: boolean
  readonly path: string
  readonly status: number
  /** Stands in the body. */
  readonly word: string
}

export interface Asked {
  readonly host: string
  readonly port: number
  readonly ask: Ask
}

/** Where a program may listen that takes this address: `0.0.0.0` is any of IPv4, and `::` any at all. */
function addressesOf (host: string): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [host]
  const all = Object.values(networkInterfaces()).flatMap(addresses => addresses ?? [])
  // One of a single link could be asked only with the name of the link.
  const asked = all.filter(one => one.family === 'IPv4' || (host === '::' && one.scopeid === 0))
  return asked.map(({ address }) => address)
}

/** Whether a gateway of ours answers there, within 5 s for each of three tries: a busy one may refuse the first. Never rejects. */
export async function isGatewayAt ({ host, port, ask }: Asked): Promise<boolean> {
  for (let tries = 0; tries < TRIES; tries++) {
    if (tries > 0) await setTimeout(PAUSE_MS)
    const answers = await Promise.all(addressesOf(host).map(async address => await answersAt({ host: address, port, ask })))
    if (answers.includes(true)) return true
  }
  return false
}

async function answersAt ({ host, port, ask: { tls, path, status, word } }: Asked): Promise<boolean> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const options = { host, port, path, signal, headers: { connection: 'close' } } as const
  // Who answers is asked, not trusted: nothing is sent, and a certificate is for other names than an address.
  const request = tls ? requestByTls({ ...options, rejectUnauthorized: false }) : requestPlainly(options)
  request.on('error', () => { /* after the answer nobody waits for it */ })
  try {
    request.end()
    const [response] = await once(request, 'response', { signal }) as [IncomingMessage]
    let body = ''
    for await (const chunk of response.setEncoding('utf8')) {
      body += String(chunk)
      if (body.length > MAX_BODY_BYTES) return false
    }
    return (response.statusCode === status && body.includes(word)) || (response.statusCode === 503 && BUSY.test(body))
  } catch {
    return false
  } finally {
    request.destroy()
  }
}
