import type { Socket } from 'node:net'
import type { ServerResponse } from 'node:http'

export interface NodeSocketBounds {
  /** Open sockets: 2 or more. */
  readonly maxSockets: number
  /** Requests of one socket that are not answered yet: 1 or more. */
  readonly maxPipelined: number
  /** The key by which the client's address is counted. */
  readonly keyOf: (socket: Socket) => string
  /** Monotonic, in ms. */
  readonly now: () => number
}

interface Activity {
  readonly key: string
  readonly takenInAtMs: number
  /** Requests under way. */
  requests: number
  /** It has sent a whole request head at some time. */
  hasAsked: boolean
}

/** A new socket has this time to send its request before it counts as inactive. */
const GRACE_MS = 1_000
/** And this, in ms, before it goes in place of one whose request is under way: clients of ours ask as soon as they are connected. */
const LEAST_GRACE_MS = 100

/**
 * The open sockets of a Node server, longest inactive first. A full server that refused new sockets could be shut to
 * health probes by anybody who holds enough old ones, so it ends an old one instead: one of the address that holds most.
 */
export class NodeSockets {
  private readonly open = new Map<Socket, Activity>()

  constructor (private readonly bounds: NodeSocketBounds) {}

  /** Takes a new socket in; when that is one too many, ends another one. */
  add (socket: Socket): void {
    const { keyOf, now, maxSockets } = this.bounds
    this.open.set(socket, { key: keyOf(socket), takenInAtMs: now(), requests: 0, hasAsked: false })
    socket.once('close', () => { this.open.delete(socket) })
    if (this.open.size > maxSockets) this.evictFor(socket)
  }

  /** Notes a request, until its answer is out. False: its socket sent too many at once, and was ended. */
  begin (socket: Socket, response: ServerResponse): boolean {
    const activity = this.open.get(socket)
    if (activity === undefined) return false
    if (activity.requests >= this.bounds.maxPipelined) {
      this.end(socket)
      return false
    }
    activity.requests++
    activity.hasAsked = true
    this.touch(socket, activity)
    response.once('close', () => {
      activity.requests--
      if (this.open.has(socket)) this.touch(socket, activity)
    })
    return true
  }

  /** The map keeps its order of insertion. */
  private touch (socket: Socket, activity: Activity): void {
    this.open.delete(socket)
    this.open.set(socket, activity)
  }

  /**
   * Ends a socket of the address that holds most: the first of the lowest rank. It is never the newcomer, which had no turn yet in
   * which to ask.
   */
  private evictFor (newcomer: Socket): void {
    const nowMs = this.bounds.now()
    const ranked = this.ofBusiestAddress(newcomer).map(([socket, activity]) => ({ socket, rank: rankOf(activity, nowMs) }))
    const least = ranked.reduce<typeof ranked[number] | null>((found, one) => found === null || one.rank < found.rank ? one : found, null)
    if (least !== null) this.end(least.socket)
  }

  /** Of addresses that hold as many, all count. */
  private ofBusiestAddress (newcomer: Socket): Array<[Socket, Activity]> {
    const held = new Map<string, number>()
    for (const { key } of this.open.values()) held.set(key, (held.get(key) ?? 0) + 1)
    const others = [...this.open].filter(([socket]) => socket !== newcomer)
    const most = others.reduce((found, [, { key }]) => Math.max(found, held.get(key) ?? 0), 0)
    return others.filter(([, { key }]) => held.get(key) === most)
  }

  private end (socket: Socket): void {
    this.open.delete(socket)
    socket.destroy()
  }
}

/** Who goes first: one that does nothing, one that might ask soon, one that waits for an answer, one that is too new to have asked. */
function rankOf ({ requests, hasAsked, takenInAtMs }: Activity, nowMs: number): number {
  const ageMs = nowMs - takenInAtMs
  if (requests === 0 && (hasAsked || ageMs >= GRACE_MS)) return 0
  if (hasAsked) return 2
  return ageMs >= LEAST_GRACE_MS ? 1 : 3
}
