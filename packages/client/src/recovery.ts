import type { Clock } from './clock.js'
import {
  MAX_FRAME_BYTES, type EventFrame, type GapFrame, type PositionsByTopic, type ServerFrame, type SubscribedFrame, type UnsubscribedFrame,
  type WelcomeFrame
} from './frames.js'
import { formatPosition, parsePosition, type Position } from './position.js'
import { createPositionKeeper, type Owner, type PositionKeeper, type PositionStorage } from './position-storage.js'
import { createPositions, type Positions } from './positions.js'
import { createSeenIds, type SeenIds } from './seen-ids.js'
import type { Recovered } from './signals.js'
import { readSubject } from './token-claims.js'
import { starOf } from './undecided.js'

export interface RecoveryOptions {
  readonly url: URL
  /** Undefined: positions live as long as the client. */
  readonly storage: PositionStorage | undefined
  readonly onRecovered: (recovered: Recovered) => void
  readonly onGap: (gap: GapFrame) => void
  readonly clock: Clock
}

/** What a `subscribe` frame asks for beside its topics. */
export interface Recall {
  readonly since?: PositionsByTopic
  readonly last?: number
}

/** Asks for what was missed, tells what became of it, and keeps from the application what it has had. */
export interface Recovery {
  /** A connection is about to be opened with a token: from where the user's own topic goes on; null: from now. */
  open (token: string): string | null
  /** What to ask for topics in a frame that is sent now. `last` counts where all are listened to for the first time. */
  recall (topics: readonly string[], last: number | undefined): Recall
  /** The frame that asked for these was refused. */
  refused (topics: readonly string[]): void
  /** Takes each frame of the connection; false: the application is not to hear this one. */
  receive (frame: ServerFrame): boolean
  /** They are no longer listened to; `agent:*` stands for all of its kind. */
  forget (topics: readonly string[]): void
  /** They were asked for in vain: exactly these, so `agent:*` leaves alone what else is listened to of its kind. */
  drop (topics: readonly string[]): void
  /** The connection is over. */
  closed (): void
}

/** Room for what a frame holds beside `since`, in bytes. */
const OTHER_BYTES = 16_384

const kindOf = (topic: string): string => topic.slice(0, topic.indexOf(':') + 1)
const ownTopic = (userId: string): string => `user:${userId}`
const listed = ({ agent_ids: agents, task_ids: tasks }: SubscribedFrame | UnsubscribedFrame): string[] => [...agents.map(id => `agent:${id}`), ...tasks.map(id => `task:${id}`)]

export function createRecovery (options: RecoveryOptions): Recovery {
  return new Recoverer(options)
}

class Recoverer implements Recovery {
  private readonly keeper: PositionKeeper | null
  private readonly positions: Positions
  private readonly ids: SeenIds
  private owner: Owner | null
  private isSaving = false
  /** Whom the token of this connection is about, and whether its address asked for the user's own topic. */
  private subject: string | null = null
  private asksOwn = false
  private hasHistory = false
  /** Most bytes that `since` of a `*` may have. */
  private maxSinceBytes = 0
  /** What this connection has been asked for, by topic: its `last`, 0 without. */
  private readonly asked = new Map<string, number>()
  /** What it has. */
  private readonly live = new Set<string>()

  constructor (private readonly options: RecoveryOptions) {
    const { storage, url, clock } = options
    this.keeper = storage === undefined ? null : createPositionKeeper(storage, url)
    const kept = this.keeper?.load() ?? null
    this.owner = kept
    this.positions = createPositions(kept?.positions ?? [], clock.now)
    this.ids = createSeenIds(clock.now)
  }

  open (token: string): string | null {
    this.hasHistory = false
    this.subject = readSubject(token)
    const isOwner = this.owner !== null && this.subject !== null && this.owner.subject === this.subject
    const since = isOwner ? this.positions.since(ownTopic(this.owner?.userId ?? '')) : null
    this.asksOwn = since !== null
    return since
  }

  recall (topics: readonly string[], last: number | undefined): Recall {
    const since = this.hasHistory ? this.sinceOf(topics) : {}
    const others = topics.filter(topic => since[topic] === undefined)
    const isFirst = others.length > 0 && !others.some(topic => this.positions.has(topic)) && !topics.some(topic => this.isAsked(topic))
    const asksLast = this.hasHistory && isFirst && last !== undefined
    for (const topic of topics) if (!this.asked.has(topic)) this.asked.set(topic, asksLast ? last : 0)
    return { ...(Object.keys(since).length > 0 ? { since } : {}), ...(asksLast ? { last } : {}) }
  }

  refused (topics: readonly string[]): void {
    for (const topic of topics) if (!this.live.has(topic)) this.asked.delete(topic)
  }

  receive (frame: ServerFrame): boolean {
    if (frame.type === 'welcome') this.welcome(frame)
    if (frame.type === 'subscribed') this.subscribed(frame)
    if (frame.type === 'unsubscribed') this.left(listed(frame))
    if (frame.type === 'gap') this.gap(frame)
    if (frame.type === 'positions') {
      for (const [topic, pos] of Object.entries(frame.topics)) this.move(topic, parsePosition(pos), pos)
    }
    return frame.type !== 'gap' && (frame.type !== 'event' || this.isNews(frame))
  }

  forget (topics: readonly string[]): void {
    this.drop(topics.flatMap(topic => topic === starOf(topic) ? [topic, ...this.ofKind(topic)] : [topic]))
  }

  drop (topics: readonly string[]): void {
    for (const topic of topics) this.asked.delete(topic)
    this.left(topics)
  }

  closed (): void {
    this.positions.closed(this.live)
    this.live.clear()
    this.asked.clear()
  }

  private left (topics: readonly string[]): void {
    for (const topic of topics) {
      this.positions.forget(topic)
      this.live.delete(topic)
    }
    this.save()
  }

  private ofKind (star: string): string[] {
    return this.positions.topics().filter(topic => topic !== star && topic.startsWith(kindOf(star)))
  }

  /** The connection has it, or was asked for it; of `*`: something of the kind. */
  private isAsked (topic: string): boolean {
    return topic === starOf(topic) ? [...this.asked.keys()].some(one => kindOf(one) === kindOf(topic)) : this.asked.has(topic)
  }

  /** A list that is too long can be sent in parts; a `*` cannot, so what does not fit is left out. */
  private sinceOf (topics: readonly string[]): PositionsByTopic {
    const since: Record<string, string> = {}
    let bytes = 0
    const add = (topic: string, maxBytes: number): void => {
      const position = this.asked.has(topic) ? null : this.positions.since(topic)
      if (position === null) return
      bytes += JSON.stringify({ [topic]: position }).length
      if (bytes <= maxBytes) since[topic] = position
    }
    for (const topic of topics) {
      if (topic !== starOf(topic)) add(topic, Infinity)
      else for (const one of this.ofKind(topic)) add(one, this.maxSinceBytes)
    }
    return since
  }

  private welcome ({ user_id: userId, positions, recovered, limits, history_s: historyS }: WelcomeFrame): void {
    this.ids.keepFor(historyS)
    const own = ownTopic(userId)
    const before = this.owner
    if (before !== null && before.userId !== userId) {
      this.positions.disown()
      this.positions.forget(ownTopic(before.userId))
    }
    this.owner = { userId, subject: this.subject }
    this.hasHistory = positions !== undefined
    this.maxSinceBytes = Math.min(limits.frame_bytes, MAX_FRAME_BYTES) - OTHER_BYTES
    this.begin([own], positions, { [own]: this.asksOwn && recovered === true })
  }

  private subscribed (frame: SubscribedFrame): void {
    const { positions = {}, recovered = {} } = frame
    const unheard = listed(frame).filter(topic => !this.live.has(topic))
    // With `*`, what is no longer visible has an answer and no position.
    this.begin(new Set([...unheard, ...Object.keys(positions), ...Object.keys(recovered)]), positions, recovered)
    for (const star of [...this.asked.keys()].filter(topic => topic === starOf(topic))) {
      this.asked.set(star, 0)
      this.positions.begin(star, null, 0)
    }
  }

  /** The connection has these from now on. Tells those of them that the application may have had before. */
  private begin (topics: Iterable<string>, positions: PositionsByTopic = {}, recovered: Readonly<Record<string, boolean>>): void {
    const told: Record<string, boolean> = {}
    for (const topic of topics) {
      const at = parsePosition(positions[topic])
      const isKnown = this.keeper !== null || this.positions.has(topic) || this.positions.has(starOf(topic))
      const goesOn = recovered[topic] === true && this.positions.goOn(topic, at)
      if (!goesOn) this.positions.begin(topic, at, this.asked.get(topic) ?? this.asked.get(starOf(topic)) ?? 0)
      if (isKnown) told[topic] = goesOn
      this.live.add(topic)
      this.asked.set(topic, 0)
    }
    this.save()
    if (Object.keys(told).length > 0) this.options.onRecovered({ topics: told })
  }

  private gap ({ topics }: GapFrame): void {
    const known = Object.entries(topics).filter(([topic]) => this.positions.has(topic))
    for (const [topic, pos] of known) this.positions.begin(topic, parsePosition(pos), 0)
    this.save()
    if (known.length > 0) this.options.onGap({ type: 'gap', topics: Object.fromEntries(known) })
  }

  /** False: the application has had it. */
  private isNews ({ topic, pos, id, ts }: EventFrame): boolean {
    const at = parsePosition(pos)
    if (at !== null && !this.move(topic, at, formatPosition({ ...at, offset: at.offset - 1 }))) return false
    return id === undefined || this.ids.isNew(topic, id, ts)
  }

  /** False: the position is there already. Another numbering that was not announced is a gap, whose position is `gapAt`. */
  private move (topic: string, to: Position | null, gapAt: string): boolean {
    if (to === null || !this.positions.has(topic)) return true
    const move = this.positions.move(topic, to)
    if (move === 'had') return false
    this.save()
    if (move === 'other epoch') this.options.onGap({ type: 'gap', topics: { [topic]: gapAt } })
    return true
  }

  /** After the application has heard what moved the positions: what it has not heard must come again on the next page. */
  private save (): void {
    if (this.keeper === null || this.isSaving) return
    this.isSaving = true
    queueMicrotask(() => {
      this.isSaving = false
      if (this.owner !== null) this.keeper?.save({ ...this.owner, positions: this.positions })
    })
  }
}
