import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import WebSocket from 'ws'
import type { Lifetime } from '../support/gateway.js'
import { until } from '../support/until.js'
import { ROOT } from './documents.js'

/** The path of a proxy's program; installed when it is missing and may be. */
export async function findProxy (name: 'nginx' | 'caddy' | 'haproxy'): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, 'scripts/ensure-server.js'), name])
  return stdout.trim()
}

async function takesConnections (port: number): Promise<boolean> {
  const socket = connectTcp(port, '127.0.0.1')
  const answer = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(() => false)
  socket.destroy()
  return answer
}

async function stop (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'close')
  child.kill('SIGTERM')
  await ended
}

/** Starts a proxy in the foreground and waits until it listens; ends it with the test. Resolves with what reads its standard error. */
export async function startProxy (
  t: Lifetime, program: string, args: readonly string[], port: number, env: Readonly<Record<string, string>> = {}
): Promise<() => string> {
  const child = spawn(program, args, { env: { PATH: process.env['PATH'] ?? '', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
  t.teardown(() => stop(child))
  await until(`${program} listens`, async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended: ${output}`)
    return await takesConnections(port)
  })
  return () => output
}

export interface ThroughProxy {
  /** `wss://…` or `ws://…` up to the path. */
  readonly base: string
  readonly certFile?: string
  readonly from?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly protocols?: string[]
}

/** Opens a WebSocket; resolves with it once it is open, or with the status and body of the refusal. */
export async function openThrough (t: Lifetime, path: string, { base, certFile, from = '127.0.0.1', headers = {}, protocols = [] }: ThroughProxy): Promise<WebSocket | { status: number, body: string, retryAfter: string | undefined }> {
  const trusted = certFile === undefined ? {} : { ca: readFileSync(certFile) }
  const socket = new WebSocket(base + path, protocols, { localAddress: from, headers, ...trusted })
  t.teardown(() => { socket.terminate() })
  return await new Promise((resolve, reject) => {
    socket.once('open', () => { resolve(socket) })
    socket.once('error', reject)
    socket.once('unexpected-response', (_request, response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (part: string) => { body += part })
      response.on('end', () => { resolve({ status: response.statusCode ?? 0, body, retryAfter: response.headers['retry-after'] }) })
    })
  })
}

/** What {@link openThrough} came to, in a word or two. */
export async function outcomeThrough (t: Lifetime, path: string, through: ThroughProxy): Promise<string> {
  const opened = await openThrough(t, path, through)
  if (!(opened instanceof WebSocket)) return String(opened.status)
  opened.close()
  return 'open'
}

/** A token of exactly so many characters. */
export function signToLength (sign: (claims: Record<string, unknown>) => string, claims: Record<string, unknown>, length: number): string {
  const withPadding = (characters: number): string => sign({ ...claims, padding: 'x'.repeat(characters) })
  const short = withPadding(0).length
  for (let characters = Math.floor((length - short) * 3 / 4) - 4; ; characters++) {
    const token = withPadding(characters)
    if (token.length >= length) return token
  }
}

/** The way of one more client, with an address of its own unless `more` says another. */
export type NextClient = (more?: Partial<ThroughProxy>) => ThroughProxy

/** What one token comes to in each of its places: query, header and subprotocol. */
export async function outcomesOfToken (t: Lifetime, token: string, through: NextClient): Promise<string[]> {
  return await Promise.all([
    outcomeThrough(t, `/ws?token=${token}`, through()),
    outcomeThrough(t, '/ws', through({ headers: { authorization: `Bearer ${token}` } })),
    outcomeThrough(t, '/ws', through({ protocols: ['portcullis.v1', `bearer.${token}`] }))
  ])
}

/** What a page of the proxy's own host comes to, and then a page of another. */
export async function outcomesOfOrigins (t: Lifetime, token: string, through: NextClient): Promise<string[]> {
  const own = through().base.replace(/^wss?/, 'https')
  return await Promise.all([own, 'https://evil.example'].map(async origin =>
    await outcomeThrough(t, '/ws', through({ headers: { origin, authorization: `Bearer ${token}` } }))))
}
