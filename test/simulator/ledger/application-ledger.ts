import type { World } from '../world.js'
import type { Doubts } from './doubts.js'
import { Follower } from './follower.js'
import { topicsIn, type Frame } from './frames.js'
import type { Instance, Truth } from './truth.js'

interface Had { readonly topic: string, readonly id: string, readonly atMs: number }

/** What one application was told by its client, over its connections, and over its pages where it keeps positions. */
export class ApplicationLedger {
  readonly followers = new Map<string, Follower>()
  /** Those whose events it has been told that it gets, on this connection. */
  private had: Had[] = []
  /** Those that it does not want any more; what still comes of them is nobody's concern. */
  private readonly leaving = new Set<string>()

  constructor (
    private readonly world: World, private readonly truth: Truth, private readonly doubts: Doubts, readonly name: string,
    private readonly types: readonly string[] | null,
    /** How many of the newest events it asks for. */
    private readonly last: number
  ) {}

  /** A new page knows no ids, and no positions unless they are kept. */
  load (keepsPositions: boolean): void {
    for (const follower of this.followers.values()) follower.passUnwanted()
    this.had = []
    this.leaving.clear()
    if (!keepsPositions) this.followers.clear()
  }

  /** The client tells whether the topics of a frame go on. */
  recovered (topics: Readonly<Record<string, boolean>>, frame: Frame): void {
    for (const [topic, goesOn] of Object.entries(topics)) {
      this.world.count(goesOn ? 'told recovered: true' : 'told recovered: false')
      const follower = this.followers.get(topic)
      // What a page before has not had, it can't go on from.
      if (goesOn && follower === undefined) return this.world.fail('lie', `${this.name} is told that ${topic} is recovered, and never had it`)
      if (!goesOn) this.open(topic).begin(frame.positions?.[topic], this.last)
    }
  }

  /** A frame begins topics: what the application never had begins here. */
  begun (frame: Frame): void {
    const topics = frame.type === 'welcome' ? [`user:${frame.user_id ?? ''}`] : topicsIn(frame)
    for (const topic of topics) if (!this.followers.has(topic)) this.open(topic).begin(frame.positions?.[topic], frame.type === 'welcome' ? 0 : this.last)
  }

  leave (topic: string): void {
    this.followers.delete(topic)
    this.leaving.add(topic)
  }

  gap (topics: Readonly<Record<string, string>>): void {
    for (const [topic, pos] of Object.entries(topics)) {
      this.world.count('gaps told')
      // The client's own word, where a numbering was not announced, names the place before the event.
      this.followers.get(topic)?.gap(pos)
    }
  }

  left (topics: readonly string[]): void {
    for (const topic of topics) {
      this.followers.delete(topic)
      this.leaving.delete(topic)
    }
  }

  take ({ topic = '', pos, data, id, ts = '' }: Frame): void {
    this.world.count('events delivered')
    if (this.leaving.has(topic)) {
      if (id !== undefined) this.had.push({ topic, id, atMs: Date.parse(ts) })
      return
    }
    if (id !== undefined) this.checkId(topic, id, Date.parse(ts))
    if (pos === undefined) return
    const follower = this.followers.get(topic)
    if (follower === undefined) return this.world.fail('rights', `${this.name} is given ${pos} of ${topic}, which it does not listen to`)
    follower.take(pos, data?.k ?? null)
  }

  private checkId (topic: string, id: string, atMs: number): void {
    if (this.hasHad(topic, id, atMs)) return this.world.fail('twice', `${this.name} is given the id ${id} of ${topic} twice`)
    this.had.push({ topic, id, atMs })
  }

  private hasHad (topic: string, id: string, atMs: number): boolean {
    const { keepMs } = this.world.knobs.history
    return this.had.some(one => one.topic === topic && one.id === id && Math.abs(one.atMs - atMs) <= keepMs)
  }

  private open (topic: string): Follower {
    const follower = new Follower({
      truth: this.truth,
      topic,
      name: `${this.name} ${topic}`,
      fail: (invariant, text) => { this.world.fail(invariant, text) },
      isUnwanted: instance => this.isUnwanted(topic, instance),
      doubts: this.doubts
    })
    this.followers.set(topic, follower)
    this.leaving.delete(topic)
    return follower
  }

  private isUnwanted (topic: string, { event, id, atMs }: Instance): boolean {
    return (this.types !== null && !this.types.includes(event)) || (id !== null && this.hasHad(topic, id, atMs))
  }
}
