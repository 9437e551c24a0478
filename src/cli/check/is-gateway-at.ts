import { once } from 'node:events'
import { request as requestPlainly, type IncomingMessage } from 'node:http'
import { request as requestByTls } from 'node:https'

const TIMEOUT_MS = 2000
const MAX_BODY_BYTES = 4096
/** Where to ask one that listens on every address. */
const LOOPBACK: ReadonlyMap<string, string> = new Map([['0.0.0.0', '127.0.0.1'], ['::', '::1']])

export interface Asked {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  /** What a gateway answers there to a GET: path, status, and a word of its body. */
  readonly asks: readonly [path: string, status: number, word: string]
}

/** Whether a gateway of ours answers there, within 2 s. Never rejects. */
export async function isGatewayAt ({ host, port, tls, asks: [path, status, word] }: Asked): Promise<boolean> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const options = { host: LOOPBACK.get(host) ?? host, port, path, signal, headers: { connection: 'close' } } as const
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
    return response.statusCode === status && body.includes(word)
  } catch {
    return false
  } finally {
    request.destroy()
  }
}
