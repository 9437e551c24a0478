import type { Asked, Authorizer, Visible } from '../../src/access/authorizer.js'
import { mapKinds } from '../../src/kinds.js'
import type { Host } from './host.js'
import type { World } from './world.js'

/** What it takes to find that the table can't be asked. */
const AWAY_MS = 1000

/** Who may see what: the back end's table, asked over a network. */
export class RightsBook {
  private readonly allowed = new Map<string, Set<string>>()
  /** Nobody gets an answer before this. */
  awayUntilMs = 0

  constructor (private readonly world: World) {}

  allow (userId: string, topic: string): void { this.of(userId).add(topic) }

  withdraw (userId: string, topic: string): void { this.of(userId).delete(topic) }

  topicsOf (userId: string): readonly string[] { return [...this.of(userId)] }

  maySee (userId: string, topic: string): boolean { return topic === `user:${userId}` || this.of(userId).has(topic) }

  authorizerOf (host: Host): Authorizer {
    return {
      local: false,
      visible: async ({ userId }, _token, asked) => await this.ask(host, () => this.visible(userId, asked)),
      forget: () => {},
      close: async () => {}
    }
  }

  private visible (userId: string, asked: Asked): Visible {
    const allowed = this.of(userId)
    return mapKinds((kind) => {
      const all = [...allowed].filter(topic => topic.startsWith(`${kind.kind}:`)).map(topic => topic.slice(kind.kind.length + 1))
      const wanted = asked[kind.claim]
      return wanted === '*' ? all : all.filter(id => wanted.includes(id))
    })
  }

  private async ask<T> (host: Host, read: () => T): Promise<T> {
    const { world } = this
    const [thereMs, backMs] = [world.chance.span(world.knobs.latencyMs), world.chance.span(world.knobs.latencyMs)]
    return await new Promise((resolve, reject) => {
      world.scheduler.at(world.nowMs + thereMs, () => {
        const answer = world.nowMs < this.awayUntilMs ? null : { value: read() }
        host.after(answer === null ? AWAY_MS : backMs, () => {
          if (answer === null) reject(new Error('the database is away'))
          else resolve(answer.value)
        })
      })
    })
  }

  private of (userId: string): Set<string> {
    let topics = this.allowed.get(userId)
    if (topics === undefined) {
      topics = new Set()
      this.allowed.set(userId, topics)
    }
    return topics
  }
}
