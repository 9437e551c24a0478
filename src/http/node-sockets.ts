import type { Socket } from 'node:net'
import type { ServerResponse } from 'node:http'

export interface NodeSocketBounds {
  /** Open sockets: 1 or more. */
  readonly maxSockets: number
  /** Requests of one socket that are not answered yet: 1 or more. */
  readonly maxPipelined: number
}

interface Activity {
  /** Requests under way. */
  requests: number
  /** It has sent a whole request head at some time. */
  hasAsked: boolean
}

/**
 * The open sockets of a Node server, longest inactive first. A full server that refused new sockets could be shut to
 * health probes by anybody who holds enough old ones, so it ends an old one instead.
 */
export class NodeSockets {
  private readonly open = new Map<Socket, Activity>()

  constructor (private readonly bounds: NodeSocketBounds) {}

  /** Takes a new socket in; when that is one too many, ends the one that is least in use. */
  add (socket: Socket): void {
    this.open.set(socket, { requests: 0, hasAsked: false })
    socket.once('close', () => { this.open.delete(socket) })
    if (this.open.size > this.bounds.maxSockets) this.evict()
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

  /** First one that never asked for anything, then one that waits for its next request, then one that waits for an answer. */
  private evict (): void {
    const sockets = [...this.open]
    const [least] = sockets.find(([, { hasAsked }]) => !hasAsked) ?? sockets.find(([, { requests }]) => requests === 0) ?? sockets[0] ?? []
    if (least !== undefined) this.end(least)
  }

  private end (socket: Socket): void {
    this.open.delete(socket)
    socket.destroy()
  }
}
