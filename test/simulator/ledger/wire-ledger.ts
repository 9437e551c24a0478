import type { World } from '../world.js'
import { Follower } from './follower.js'
import { topicsIn, withdrawnBy, type Frame } from './frames.js'
import type { Doubts } from './doubts.js'
import type { Instance, Truth } from './truth.js'

type Types = ReadonlySet<string> | null

/** What one connection was given and told, frame by frame, as the client gets it. */
export class WireLedger {
  readonly followers = new Map<string, Follower>()
  private readonly plain = new Set<string>()
  private readonly asked = new Map<string, Frame>()
  /** The event types in force, and those that a frame under way may have put in force. Null: all. */
  private types: Types
  private readonly newTypes: Types[] = []

  constructor (
    private readonly world: World, private readonly truth: Truth, private readonly doubts: Doubts, readonly name: string,
    private readonly since: string | null, types: readonly string[] | null
  ) {
    this.types = types === null ? null : new Set(types)
  }

  /** The client has sent a frame. */
  sent (frame: Frame): void {
    if (frame.id !== undefined) this.asked.set(frame.id, frame)
    if (frame.event_types !== undefined) this.newTypes.push(typesOf(frame))
  }

  receive (frame: Frame): void {
    switch (frame.type) {
      case 'welcome': return this.welcome(frame)
      case 'subscribed': return this.subscribed(frame)
      case 'unsubscribed': return this.end(topicsIn(frame))
      case 'event': return frame.pos === undefined ? this.takePlain(frame) : this.take(frame, frame.pos)
      case 'gap': return this.each(frame, (follower, pos) => { follower.gap(pos) })
      case 'positions': return this.each(frame, (follower, pos) => { follower.passOver(pos) })
      case 'error':
        if (frame.id !== undefined) this.answered(frame, false)
        return this.end(withdrawnBy(frame))
    }
  }

  private welcome ({ user_id: userId = '', positions = {}, recovered }: Frame): void {
    const topic = `user:${userId}`
    const follower = this.open(topic)
    if (recovered === true && this.since !== null) follower.goOn(this.since)
    else follower.begin(positions[topic], 0)
  }

  private subscribed (frame: Frame): void {
    const ask = this.answered(frame, true)
    const recovered = typeof frame.recovered === 'object' ? frame.recovered : {}
    for (const topic of topicsIn(frame)) {
      if (this.followers.has(topic)) continue
      const follower = this.open(topic)
      const since = ask?.since?.[topic]
      if (recovered[topic] === true && since !== undefined) follower.goOn(since)
      else follower.begin(frame.positions?.[topic], since === undefined ? ask?.last ?? 0 : 0)
      if (recovered[topic] === true && since === undefined) this.world.fail('lie', `${this.name} is told that ${topic} is recovered, and had not asked`)
    }
  }

  private answered (frame: Frame, isDone: boolean): Frame | undefined {
    const ask = frame.id === undefined ? undefined : this.asked.get(frame.id)
    if (ask === undefined) return undefined
    this.asked.delete(frame.id ?? '')
    if (ask.event_types !== undefined) {
      this.newTypes.shift()
      if (isDone) this.types = typesOf(ask)
    }
    return ask
  }

  private open (topic: string): Follower {
    const follower = new Follower({
      truth: this.truth,
      topic,
      name: `${this.name} ${topic}`,
      fail: (invariant, text) => { this.world.fail(invariant, text) },
      isUnwanted: instance => this.isUnwanted(instance),
      doubts: this.doubts
    })
    this.followers.set(topic, follower)
    return follower
  }

  private isUnwanted ({ event }: Instance): boolean {
    return [this.types, ...this.newTypes].some(types => types !== null && !types.has(event))
  }

  private end (topics: readonly string[]): void {
    for (const topic of topics) this.followers.delete(topic)
  }

  private take ({ topic = '', data, event = '' }: Frame, pos: string): void {
    const follower = this.followers.get(topic)
    if (follower === undefined) return this.world.fail('rights', `${this.name} is given ${pos} of ${topic}, which it does not have`)
    this.checkType(topic, event)
    follower.take(pos, data?.k ?? null)
    this.world.count('events over the wire')
  }

  private takePlain ({ topic = '', data, event = '' }: Frame): void {
    const key = data?.k ?? ''
    if (!this.followers.has(topic)) return this.world.fail('rights', `${this.name} is given ${key} of ${topic}, which it does not have`)
    if (this.plain.has(key)) return this.world.fail('plain', `${this.name} is given the plain ${key} of ${topic} twice`)
    this.checkType(topic, event)
    this.plain.add(key)
    this.world.count('plain events over the wire')
  }

  private checkType (topic: string, event: string): void {
    if ([this.types, ...this.newTypes].every(types => types !== null && !types.has(event))) {
      this.world.fail('rights', `${this.name} is given ${event} of ${topic}, which it did not ask for`)
    }
  }

  private each ({ topics = {}, type }: Frame, tell: (follower: Follower, pos: string) => void): void {
    for (const [topic, pos] of Object.entries(topics)) {
      const follower = this.followers.get(topic)
      if (follower === undefined) return this.world.fail('rights', `${this.name} is told ${type} of ${topic}, which it does not have`)
      this.world.count(`told ${type}`)
      tell(follower, pos)
    }
  }
}

function typesOf ({ event_types: types }: Frame): Types {
  return types === undefined || typeof types === 'string' || types[0] === '*' ? null : new Set(types)
}
