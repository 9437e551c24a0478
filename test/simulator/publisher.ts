import { formatBusMessage } from '../../src/bus/bus-message.js'
import type { Published, Publication } from '../../src/history/history.js'
import { JsonText } from '../../src/wire/json-text.js'
import { Host } from './host.js'
import type { Network } from './network.js'
import { Random } from './random.js'
import { StoreLink } from './store-link.js'
import type { World } from './world.js'

export const EVENTS = ['progress', 'done', 'note'] as const
const MOST_TRIES = 6
/** What a back end waits for an answer over HTTP. */
const HTTP_TIMEOUT_MS = 3000
const RETRY_MS = 800
/** Share of those who come in. */
const GREETED = 0.5
const NO_JSON = Buffer.from('{"k":')

/** A back end: it publishes by the script or over HTTP, again where it got no answer, and seldom by a plain PUBLISH. */
export class Publisher {
  /** It goes on until it is told to stop. */
  isStopped = false
  /** Before this it publishes to users as they come in, which is when most can go wrong. */
  greetsUntilMs = Infinity
  private readonly host: Host
  private readonly store: StoreLink
  private readonly random: Random
  private readonly manners: Random
  private published = 0

  constructor (private readonly world: World, private readonly network: Network, private readonly topics: readonly string[]) {
    this.host = new Host(world.scheduler)
    this.store = new StoreLink(world, network.redis, this.host)
    this.random = new Random(world.seed, 3)
    this.manners = new Random(world.seed, 5)
  }

  start (): void {
    this.network.onComing = (userId) => { this.greet(userId) }
    this.next()
  }

  publishSome (): void { this.publishOne(this.random.pick(this.topics)) }

  private greet (userId: string): void {
    const { world, manners, network } = this
    if (world.nowMs > this.greetsUntilMs || !manners.chance(GREETED)) return
    const delayMs = manners.span(3 * world.knobs.latencyMs + network.redis.answersInMs)
    this.host.after(delayMs, () => { this.publishOne(`user:${userId}`) })
  }

  private next (): void {
    this.host.after(this.random.span(this.world.knobs.publishGapMs), () => {
      // A burst now and then: it fills what is small.
      const burst = this.random.chance(0.04) ? this.random.between(5, 20) : 1
      const topic = this.random.pick(this.topics)
      for (let n = 0; n < burst && !this.isStopped; n++) this.publishOne(burst > 1 ? topic : this.random.pick(this.topics))
      this.next()
    })
  }

  private publishOne (topic: string): void {
    const { random, world } = this
    const key = `e${++this.published}`
    const event = random.pick(EVENTS)
    const pad = 'x'.repeat(random.between(0, world.knobs.padBytes))
    // Where a process hears its users by a channel of its own, it is told by the script alone.
    if (random.chance(0.08) && (world.knobs.plainUserPublish || !topic.startsWith('user:'))) {
      world.count('plain events published')
      const message = formatBusMessage({ event, data: JsonText.from({ k: key, pad }) })
      const { redis } = this.network
      world.scheduler.at(world.nowMs + world.chance.span(world.knobs.latencyMs), () => { if (!redis.isDown) redis.publish(topic, message) })
      return
    }
    const data = random.chance(0.02) ? JsonText.ofChecked(NO_JSON) : JsonText.from({ k: key, pad })
    const publication: Publication = { topic, event, data, id: random.chance(0.7) ? key : null }
    world.count('events published')
    void this.publish(publication, 1)
  }

  /** Tries until it is answered; without an id only once, as nobody would know a second from the first. */
  private async publish (publication: Publication, tries: number): Promise<void> {
    try {
      const { epoch, offset } = await (this.random.chance(0.5) ? this.byHttp(publication) : this.byScript(publication))
      this.network.acknowledged(publication.topic, { epoch, offset }, publication)
    } catch {
      if (publication.id === null || tries === MOST_TRIES) return this.world.count('publications given up')
      this.world.count('publications tried again')
      this.host.after(this.random.span(RETRY_MS), () => { void this.publish(publication, tries + 1) })
    }
  }

  private async byScript (publication: Publication): Promise<Published> {
    const [outcome] = await this.store.publish([publication])
    if (outcome?.status !== 'fulfilled') throw new Error('not published')
    return outcome.value
  }

  private async byHttp (publication: Publication): Promise<Published> {
    const { world, host, network: { processes } } = this
    if (processes.length === 0) throw new Error('nobody is there')
    const process = world.chance.pick(processes)
    return await new Promise((resolve, reject) => {
      host.after(HTTP_TIMEOUT_MS, () => { reject(new Error('no answer')) })
      process.host.after(world.chance.span(world.knobs.latencyMs), () => {
        void process.publishing.publish([publication]).then(([outcome]) => {
          host.after(world.chance.span(world.knobs.latencyMs), () => {
            const published = outcome?.status === 'fulfilled' ? outcome.value : null
            // The process may have died before it could answer.
            if (process.host.isDead) return
            if (published === null) reject(new Error('not published'))
            else resolve(published)
          })
        })
      })
    })
  }
}
