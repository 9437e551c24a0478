import type { Head } from '../history/history.js'
import type { Position } from '../history/position.js'
import { hasGoneBack, type Asked } from './asked.js'
import { HeldEntries, type HeldBytes } from './held-entries.js'
import type { LogEntry } from './log-entry.js'
import { WaitingEntries } from './waiting-entries.js'

/** Numberings that are remembered once they have ended. */
const MOST_FORMER = 4

/** What a log makes others do. It never waits for them. */
export interface LogOutput {
  /** Gives an event to the live connections: each once, in order. */
  deliver (log: TopicLog, entry: LogEntry): void
  /** Events before `position` may be missing for the live connections. */
  tellGap (log: TopicLog): void
  /** The head is to be read; asking twice is asking once. */
  askHead (log: TopicLog): void
  /** Events are to be read, all that there are between these offsets: answered by `takeEvents` or `takeNoEvents`. */
  askEvents (log: TopicLog, from: number, to: number): void
  /** The store has lost events that it had given out: a new epoch is to begin, unless one has begun since this head was read. */
  renew (log: TopicLog, head: Head): void
  /** The head is above what was heard, which may be on its way: `healIfBehind` is due soon. */
  lookAgain (log: TopicLog): void
}

/**
 * What one process knows of one topic: the events that it heard, in order and without holes, and where the store's numbering
 * stands. It has no clock and no connection of its own; docs/HISTORY.md tells its states.
 */
export class TopicLog {
  /** `opening`: the head is not known yet. `deaf`: messages may be missed, or may have been. `over`: it takes and gives nothing. */
  state: 'opening' | 'open' | 'deaf' | 'over' = 'opening'
  /** Null: the store's numbering is not known, and what is heard has no place in it. */
  epoch: string | null = null
  /** Offset of the event that was given to the live connections last. */
  last = 0
  private lastAtMs = 0
  /** Up to `last`. */
  private readonly entries: HeldEntries
  private readonly waiting = new WaitingEntries()
  /** Up to this offset events are known to exist, and are to be read. */
  private dueTo = 0
  /** The same, but they may still be on their way. */
  private behindTo = 0
  private isFilling = false
  /** The store has lost events of this numbering: one offset came with two events, or the head went back. True until another begins. */
  private sawLoss = false
  /** Numberings that have ended, the newest last: a store that goes on with one of them has lost what came since. */
  private former: readonly string[] = []
  /** An answer of the store was taken at least once. */
  private wasOpened = false

  constructor (readonly topic: string, private readonly output: LogOutput, held: HeldBytes) {
    this.entries = new HeldEntries(held)
  }

  /** Offset of the first event that is held; `last + 1`: none is. */
  get first (): number { return this.entries.first(this.last) }

  get heldBytes (): number { return this.entries.bytes }

  /** Where live events begin; null: the numbering is not known. */
  get position (): Position | null {
    return this.epoch === null ? null : { epoch: this.epoch, offset: this.last }
  }

  /** The numbering of which the store has lost events, and was not told; null: none. */
  get doubted (): string | null { return this.sawLoss ? this.epoch : null }

  /** Only the head tells how it goes on. */
  get needsHead (): boolean { return this.state !== 'open' || this.sawLoss || this.waiting.hasForeign(this.epoch) }

  /** Whether every event after a position is held. */
  holdsAfter ({ epoch, offset }: Position): boolean { return epoch === this.epoch && offset <= this.last && offset + 1 >= this.first }

  /** An event that is held. */
  at (offset: number): LogEntry | undefined { return this.entries.at(offset, this.last) }

  /** To be called when the store is asked; to be given back with its answer. */
  ask (): Asked {
    return { epoch: this.epoch, last: this.last, lastAtMs: this.lastAtMs, heard: this.waiting.heard }
  }

  /** Takes an event from the bus. */
  hear (epoch: string, entry: LogEntry): void {
    if (this.state === 'over') return
    if (this.state === 'opening') return this.waiting.add(epoch, entry)
    this.epoch ??= this.begin(epoch, Math.max(0, entry.offset - 1))
    if (epoch !== this.epoch || entry.offset > this.last + 1) {
      this.waiting.add(epoch, entry)
      return this.drain()
    }
    if (entry.offset <= this.last) return this.compare(entry)
    // The next one follows without a hole, so nothing was missed before it, whatever the connection went through.
    this.append(entry)
    this.drain()
  }

  /** Messages may be missed from now on. */
  lose (): void {
    if (this.state === 'open') this.state = 'deaf'
  }

  /** Takes the store's answer. */
  takeHead (head: Head, asked: Asked): void {
    if (this.state === 'over') return
    this.waiting.dropForeign(head.epoch, asked.heard)
    if (this.epoch === null) return this.adopt(head, this.wasOpened)
    if (head.epoch !== this.epoch) {
      // What was heard since may be newer than the answer.
      if (asked.epoch !== this.epoch) return this.output.askHead(this)
      return this.former.includes(head.epoch) ? this.output.renew(this, head) : this.adopt(head, true)
    }
    // Kept, as the renewal may come too late: then the head has grown, and looks like one that follows.
    this.sawLoss ||= asked.epoch === this.epoch && hasGoneBack(head, asked)
    if (this.sawLoss) return this.output.renew(this, head)
    if (this.state !== 'open') this.dueTo = Math.max(this.dueTo, head.top)
    else if (head.top > this.last) {
      this.behindTo = head.top
      this.output.lookAgain(this)
    }
    this.state = 'open'
    this.drain()
  }

  /** The store will not say: what is heard is passed on, and nobody is told that nothing was missed. */
  openWithoutHead (): void {
    if (this.state === 'deaf') this.output.tellGap(this)
    this.state = 'open'
    this.wasOpened = true
    this.drain()
  }

  /** What the head said a while ago should have come by now. */
  healIfBehind (): void {
    if (this.behindTo <= this.last) return
    this.dueTo = Math.max(this.dueTo, this.behindTo)
    this.drain()
  }

  /** Everything up to this offset is known to exist: what is missing of it is read. */
  heal (head: Head, asked: Asked): void {
    if (head.epoch === this.epoch) this.dueTo = Math.max(this.dueTo, head.top)
    this.takeHead(head, asked)
  }

  /**
   * Takes the answer to `askEvents`: the events that are kept up to `to`, which may begin later than was asked. What is
   * missing cannot be had any more. `head`: null where the store would not say.
   */
  takeEvents (head: Head | null, events: readonly LogEntry[], to: number, asked: Asked): void {
    this.isFilling = false
    if (this.state === 'over') return
    if (asked.epoch !== this.epoch) return this.drain()
    if (head !== null && head.epoch !== this.epoch) return this.takeHead(head, asked)
    for (const entry of events) {
      if (entry.offset <= this.last) continue
      if (entry.offset > this.last + 1) this.skipTo(entry.offset - 1)
      this.append(entry)
    }
    if (this.last < to) this.skipTo(to)
    this.drain()
  }

  /** The store did not answer. `drain` asks again. */
  takeNoEvents (): void { this.isFilling = false }

  /** Looks at what waits: gives what follows, drops what has been given, asks for what is missing. */
  drain (): void {
    if (this.state === 'opening' || this.epoch === null) return
    for (let next = this.waiting.take(this.epoch, this.last); next !== null; next = this.waiting.take(this.epoch, this.last)) {
      if (next.offset <= this.last) this.compare(next)
      else this.append(next)
    }
    if (this.waiting.hasForeign(this.epoch)) this.output.askHead(this)
    const to = Math.max(this.dueTo, (this.waiting.lowest(this.epoch) ?? 1) - 1)
    if (to <= this.last || this.isFilling || this.state !== 'open') return
    this.isFilling = true
    this.output.askEvents(this, this.last + 1, to)
  }

  /** Puts older events in front; false where they do not reach up to what is held. */
  prepend (epoch: string, events: readonly LogEntry[]): boolean {
    return epoch === this.epoch && this.entries.prepend(events, this.last)
  }

  /** Forgets the events that were held when it was called last: they can be read again. */
  age (): void { this.entries.age(this.last) }

  /** Forgets all events. */
  forget (): void { this.entries.forget() }

  /** Nobody listens any more; what is still read for it comes in vain. */
  end (): void {
    this.forget()
    this.epoch = null
    this.state = 'over'
  }

  private append (entry: LogEntry): void {
    this.last = entry.offset
    this.lastAtMs = entry.atMs
    this.entries.append(entry)
    this.output.deliver(this, entry)
  }

  /** Nothing that came before is known to be whole. */
  private skipTo (offset: number): void {
    this.forget()
    this.last = offset
    this.lastAtMs = 0
    this.output.tellGap(this)
  }

  private begin (epoch: string, last: number): string {
    this.last = last
    this.lastAtMs = 0
    return epoch
  }

  /** The numbering is another one from here on. */
  private adopt (head: Head, tellsGap: boolean): void {
    // What waits of the new epoch need not be lost: it was heard.
    const heard = tellsGap ? this.waiting.lowest(head.epoch) : null
    const last = heard === null ? head.top : Math.min(head.top, Math.max(0, heard - 1))
    this.entries.restart()
    if (this.epoch !== null) this.former = [...this.former, this.epoch].slice(-MOST_FORMER)
    this.epoch = this.begin(head.epoch, last)
    if (last === head.top) this.lastAtMs = head.topAtMs
    this.dueTo = head.top
    this.behindTo = 0
    this.sawLoss = false
    this.state = 'open'
    this.wasOpened = true
    if (tellsGap) this.output.tellGap(this)
    this.drain()
  }

  /** An event comes twice where its publisher's answer or a reading crossed it; with another stamp it is another event. */
  private compare (entry: LogEntry): void {
    const held = entry.offset === this.last && this.entries.size === 0 ? { atMs: this.lastAtMs, frame: null } : this.at(entry.offset)
    if (held === undefined || held.atMs === 0) return
    if (held.atMs === entry.atMs && (held.frame === null || Buffer.compare(held.frame, entry.frame) === 0)) return
    this.sawLoss = true
    this.output.askHead(this)
  }
}
