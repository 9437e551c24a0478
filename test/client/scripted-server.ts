import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import type { Lifetime } from '../support/gateway.js'
import type { Frame } from '../support/client.js'

/** One connection as the server sees it. */
export interface Peer {
  /** The query of the attempt. */
  readonly query: URLSearchParams
  /** The head of the attempt. */
  readonly head: IncomingHttpHeaders
  /** The token that came as a subprotocol. */
  readonly token: string
  /** When it was accepted, on the clock of `performance.now()`. */
  readonly atMs: number
  readonly socket: WebSocket
  /** Frames of the client so far. */
  readonly got: Frame[]
  send (frame: unknown): void
  welcome (more?: Record<string, unknown>): void
  close (code: number, reason?: unknown): void
}

export interface ScriptedServer {
  readonly url: string
  /** Connections so far, oldest first. */
  readonly peers: readonly Peer[]
}

const LIMITS = { frame_bytes: 1000, messages: 100, message_window_s: 60, connections: 5, filter_ids: 2, subscribes_per_s: 10 }

/** Answers as the gateway does when everything is allowed. */
export function obey (peer: Peer, frame: Frame): void {
  const { type, id } = frame
  if (type === 'subscribe') peer.send({ type: 'subscribed', id, agent_ids: frame['agent_ids'] ?? [], task_ids: frame['task_ids'] ?? [] })
  if (type === 'unsubscribe') peer.send({ type: 'unsubscribed', id, agent_ids: frame['agent_ids'] ?? [], task_ids: frame['task_ids'] ?? [] })
  if (type === 'send') peer.send({ type: 'sent', id })
  if (type === 'ping') peer.send({ type: 'pong', id })
}

/**
 * A real WebSocket server that says what the test wants said: frames and closes that a gateway gives only after a long time, or when
 * something is broken.
 */
export async function startScriptedServer (
  t: Lifetime, onConnection: (peer: Peer, n: number) => void, onFrame: (peer: Peer, frame: Frame) => void = obey
): Promise<ScriptedServer> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'portcullis.v1' })
  const peers: Peer[] = []
  server.on('connection', (socket, request) => {
    const protocols = String(request.headers['sec-websocket-protocol'] ?? '').split(/, */)
    const peer: Peer = {
      query: new URL(request.url ?? '', 'http://localhost').searchParams,
      head: request.headers,
      token: protocols.find(one => one.startsWith('bearer.'))?.slice('bearer.'.length) ?? '',
      atMs: performance.now(),
      socket,
      got: [],
      send (frame) { socket.send(JSON.stringify(frame)) },
      welcome (more = {}) {
        const expires = new Date(Date.now() + 300_000).toISOString()
        peer.send({ type: 'welcome', connection_id: `c${peers.length}`, user_id: 'alice', node: 'n', expires_at: expires, limits: LIMITS, ...more })
      },
      close (code, reason) { socket.close(code, reason === undefined ? '' : JSON.stringify(reason)) }
    }
    peers.push(peer)
    socket.on('error', () => {})
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as Frame
      peer.got.push(frame)
      onFrame(peer, frame)
    })
    onConnection(peer, peers.length)
  })
  await once(server, 'listening')
  t.teardown(async () => {
    for (const socket of server.clients) socket.terminate()
    await new Promise(resolve => server.close(resolve))
  })
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`, peers }
}
