import WebSocket from 'ws'
import type { Lifetime, TestGateway } from './gateway.js'

export type Frame = Readonly<Record<string, unknown>> & { readonly type: string }
export interface Closed { readonly code: number, readonly reason: string }

/** How the gateway refused an upgrade. */
export interface Refused {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Readonly<Record<string, unknown>>
}

export interface ConnectOptions {
  /** Client address on loopback, `127.x.y.z`: each is an address of its own to the limits. */
  readonly from?: string
  readonly headers?: Record<string, string | string[]>
  readonly protocols?: string[]
}

/** A client that loses no frame: what came is kept until it is asked for. */
export interface TestClient {
  readonly socket: WebSocket
  readonly protocol: string
  send (frame: unknown): void
  /** The next frame. Rejects when the connection closes first, or after a minute. */
  next (): Promise<Frame>
  /** The next frame of this type; what comes before it is skipped. */
  nextOf (type: string): Promise<Frame>
  /** Frames received and not yet taken. */
  readonly waiting: readonly Frame[]
  readonly closed: Promise<Closed>
}

const WAIT_MS = 60_000

function open (t: Lifetime, gateway: Pick<TestGateway, 'url'>, path: string, { from = '127.0.0.1', headers = {}, protocols = [] }: ConnectOptions): WebSocket {
  const socket = new WebSocket(gateway.url(path), protocols, { localAddress: from, headers, skipUTF8Validation: true, maxPayload: 0 })
  socket.on('error', () => {})
  t.teardown(() => { socket.terminate() })
  return socket
}

/** Connects, or rejects with the status when it is refused. */
export async function connect (t: Lifetime, gateway: Pick<TestGateway, 'url'>, path: string, options: ConnectOptions = {}): Promise<TestClient> {
  const socket = open(t, gateway, path, options)
  const frames: Frame[] = []
  const waiters: Array<{ resolve: (frame: Frame) => void, reject: (error: Error) => void }> = []
  let ended: Closed | null = null
  socket.on('message', (data) => {
    const frame = JSON.parse(String(data)) as Frame
    const waiter = waiters.shift()
    if (waiter === undefined) frames.push(frame)
    else waiter.resolve(frame)
  })
  const closed = new Promise<Closed>((resolve) => {
    socket.once('close', (code: number, reason: Buffer) => {
      ended = { code, reason: String(reason) }
      for (const { reject } of waiters.splice(0)) reject(new Error(`closed: ${code} ${String(reason)}`))
      resolve(ended)
    })
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => { resolve() })
    socket.once('unexpected-response', (_request, response) => {
      response.resume()
      reject(new Error(`refused: ${response.statusCode}`))
    })
    socket.once('error', reject)
  })
  async function next (): Promise<Frame> {
    const frame = frames.shift()
    if (frame !== undefined) return frame
    if (ended !== null) throw new Error(`closed: ${ended.code} ${ended.reason}`)
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => { reject(new Error('no frame came')) }, WAIT_MS)
      waiters.push({
        resolve: (got) => { clearTimeout(timer); resolve(got) },
        reject: (error) => { clearTimeout(timer); reject(error) }
      })
    })
  }
  return {
    socket,
    protocol: socket.protocol,
    send: (frame) => { socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame)) },
    next,
    async nextOf (type) {
      for (;;) {
        const frame = await next()
        if (frame.type === type) return frame
      }
    },
    waiting: frames,
    closed
  }
}

/** Connects and expects to be refused by HTTP. */
export async function connectRefused (t: Lifetime, gateway: Pick<TestGateway, 'url'>, path: string, options: ConnectOptions = {}): Promise<Refused> {
  const socket = open(t, gateway, path, options)
  return await new Promise((resolve, reject) => {
    socket.once('open', () => { reject(new Error('the upgrade was accepted')) })
    socket.once('error', reject)
    socket.once('unexpected-response', (_request, response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => { text += part })
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text === '' ? '{}' : text) as Record<string, unknown> })
      })
    })
  })
}

/** Another loopback address for every call: tests of other things never meet the address limit. */
let lastAddress = 0
export function freshAddress (): string {
  lastAddress++
  return `127.77.${Math.floor(lastAddress / 250)}.${lastAddress % 250 + 1}`
}
