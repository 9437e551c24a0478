import type { Redis } from '#ioredis'
import { readServer, type Server } from '../redis/read-server.js'

/** Behind some addresses there are several servers at all times: that is no reason to go on connecting. */
const LEAST_DISTRUST_GAP_MS = 60_000

/**
 * Keeps a connection for subscriptions at the server that the commands go to. Behind one address a fail-over may leave old
 * connections open: what is published at the new master is not heard on one that leads to the old.
 */
export class SharedServer {
  private own: Promise<Server | null> = Promise.resolve(null)
  private distrustedAtMs = -Infinity

  /** `commands`: the connection for commands to the same server; null: none is known at this moment. */
  constructor (private readonly redis: Redis, private readonly commands: () => Redis | null) {}

  /**
   * The subscriber's connection is new, and nothing is subscribed on it yet: afterwards it may no longer ask. Where it leads to
   * another server than the older one for commands, that one may be left over: it is made anew.
   */
  async arrive (): Promise<void> {
    this.own = readServer(this.redis)
    const commands = this.commands()
    if (await this.isSame(commands) !== false || commands?.status !== 'ready') return
    if (performance.now() - this.distrustedAtMs < LEAST_DISTRUST_GAP_MS) return
    this.distrustedAtMs = performance.now()
    commands.disconnect(true)
  }

  /** Whether both connections are known to lead to the same server, now that the commands have a new one. */
  async holds (): Promise<boolean> {
    return await this.isSame(this.commands()) === true
  }

  /** Null: one of them does not say. */
  private async isSame (commands: Redis | null): Promise<boolean | null> {
    if (commands === null) return null
    const [own, wanted] = await Promise.all([this.own, readServer(commands)])
    return own === null || wanted === null ? null : own.runId === wanted.runId
  }
}
