import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Lifetime } from './gateway.js'

/** A relay in front of a Redis that knows where each reply ends, so that single publications can be lost on their way. */
export interface RedisProxy {
  readonly port: number
  /** From now on publications of which this is true, channel and all, reach no subscriber of this proxy. */
  swallow (isLost: (publication: string) => boolean): Loss
  /** From now on publications arrive only when what this returns is called: late, in their order. */
  hold (): () => void
  /** The connections of subscribers that are open now stay open and carry nothing more, either way. New ones are whole. */
  freezeSubscribers (): void
  /** Breaks the connections of subscribers; new ones of anybody are taken only after what this returns is called. */
  cutSubscribers (): () => void
  /** The same with every connection. */
  cut (): () => void
  /** Further connections go to this port. */
  retarget (port: number): void
  /** Connections of subscribers that are open and whole. */
  readonly subscribers: () => number
}

/** Publications that are lost on their way. */
export interface Loss {
  /** How many were. */
  readonly lost: () => number
  stop (): void
}

/** One connection of a client, with the one to Redis that belongs to it. */
interface Pair {
  readonly near: Socket
  readonly far: Socket
  isSubscriber: boolean
  isFrozen: boolean
  /** A replica's, which carries more than replies. */
  isRaw: boolean
  /** Of Redis's last reply, as far as it has come. */
  rest: Buffer
  held: Buffer[] | null
}

const CRLF = '\r\n'
/** What the connections of subscribers call themselves. */
const SUBSCRIBER = 'portcullis-subscriber'

/** Where the reply that begins at `at` ends; -1: not all of it is there. */
function endOfReply (bytes: Buffer, at: number): number {
  const line = bytes.indexOf(CRLF, at)
  if (line === -1) return -1
  const after = line + CRLF.length
  const count = Number(bytes.toString('latin1', at + 1, line))
  switch (String.fromCharCode(bytes[at] ?? 0)) {
    case '$': case '=': case '!': {
      const end = count < 0 ? after : after + count + CRLF.length
      return end <= bytes.length ? end : -1
    }
    case '*': case '>': case '~': return endOfReplies(bytes, after, count)
    case '%': return endOfReplies(bytes, after, 2 * count)
    default: return after
  }
}

function endOfReplies (bytes: Buffer, at: number, count: number): number {
  let end = at
  for (let n = 0; n < count && end !== -1; n++) end = endOfReply(bytes, end)
  return end
}

const isPublication = (reply: Buffer): boolean => /^[*>]3\r\n\$[78]\r\ns?message\r\n/.test(reply.toString('latin1', 0, 32))

/** Starts a relay to a Redis on loopback; it ends with the test. */
export async function startRedisProxy (t: Lifetime, targetPort: number): Promise<RedisProxy> {
  const pairs = new Set<Pair>()
  const losses = new Set<{ readonly isLost: (publication: string) => boolean, lost: number }>()
  let [isHolding, isShut] = [false, false]
  let target = targetPort

  function pass (pair: Pair, reply: Buffer): void {
    const loss = isPublication(reply) ? [...losses].find(({ isLost }) => isLost(reply.toString())) : undefined
    if (loss !== undefined) loss.lost++
    else if (isPublication(reply) && (isHolding || pair.held !== null)) (pair.held ??= []).push(reply)
    else pair.near.write(reply)
  }
  function takeReplies (pair: Pair, bytes: Buffer): void {
    pair.rest = pair.rest.length === 0 ? bytes : Buffer.concat([pair.rest, bytes])
    for (let end = endOfReply(pair.rest, 0); pair.rest.length > 0 && end !== -1; end = endOfReply(pair.rest, 0)) {
      pass(pair, pair.rest.subarray(0, end))
      pair.rest = pair.rest.subarray(end)
    }
  }
  const server = createServer((near) => {
    near.on('error', () => {})
    if (isShut) {
      near.destroy()
      return
    }
    const far = connect(target, '127.0.0.1')
    const pair: Pair = { near, far, isSubscriber: false, isFrozen: false, isRaw: false, rest: Buffer.alloc(0), held: null }
    pairs.add(pair)
    for (const [socket, other] of [[near, far], [far, near]] as const) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        // Who stands behind a frozen connection hears of nothing.
        if (!pair.isFrozen || socket === near) other.destroy()
        if (near.destroyed) pairs.delete(pair)
      })
    }
    near.on('data', (bytes) => {
      if (bytes.includes(SUBSCRIBER)) pair.isSubscriber = true
      if (bytes.includes('PSYNC')) pair.isRaw = true
      if (!pair.isFrozen) far.write(bytes)
    })
    far.on('data', (bytes) => {
      if (pair.isRaw) near.write(bytes)
      else if (!pair.isFrozen) takeReplies(pair, bytes)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  function cut (broken: Iterable<Pair>): () => void {
    isShut = true
    for (const { near } of broken) near.destroy()
    return () => { isShut = false }
  }
  const subscribers = (): Pair[] => [...pairs].filter(({ isSubscriber, isFrozen }) => isSubscriber && !isFrozen)
  t.teardown(async () => {
    for (const { near, far } of pairs) {
      near.destroy()
      far.destroy()
    }
    server.close()
    await once(server, 'close')
  })
  return {
    port: (server.address() as AddressInfo).port,
    swallow (isLost) {
      const loss = { isLost, lost: 0 }
      losses.add(loss)
      return { lost: () => loss.lost, stop () { losses.delete(loss) } }
    },
    hold () {
      isHolding = true
      return () => {
        isHolding = false
        for (const pair of pairs) {
          for (const reply of pair.held ?? []) pair.near.write(reply)
          pair.held = null
        }
      }
    },
    freezeSubscribers () { for (const pair of subscribers()) pair.isFrozen = true },
    cutSubscribers: () => cut(subscribers()),
    cut: () => cut(pairs),
    retarget (port) { target = port },
    subscribers: () => subscribers().length
  }
}
