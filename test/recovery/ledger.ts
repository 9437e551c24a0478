/** What happened from one fault to the next, counted over all clients and topics. */
export interface Row {
  readonly fault: string
  /** Events that were acknowledged to their publishers. */
  published: number
  /** Events that reached an application, each client counted. */
  delivered: number
  /** Topics of clients that were told `recovered: true`. */
  recovered: number
  /** The same that were told `recovered: false`, or a gap. */
  toldGap: number
  /** Acknowledged events that a client should have had and was told nothing of. */
  lost: number
  /** Events that reached an application a second time. */
  doubles: number
  /** Events that came after a later one of their topic. */
  disordered: number
}

/** Numbers of one topic that a client did not get, and was not told of, as it got the next one. */
interface Hole {
  readonly topic: string
  readonly from: number
  readonly to: number
  readonly row: Row
}

/** What one client has had. */
export class Member {
  private readonly places = new Map<string, { last: number, isExcused: boolean, readonly seen: Set<number> }>()
  readonly holes: Hole[] = []

  constructor (private readonly ledger: Ledger, readonly topics: readonly string[]) {
    for (const topic of topics) this.places.set(topic, { last: 0, isExcused: false, seen: new Set() })
  }

  lastOf (topic: string): number { return this.places.get(topic)?.last ?? 0 }

  hear (topic: string, number: number): void {
    const place = this.places.get(topic)
    const { row } = this.ledger
    if (place === undefined) throw new Error(`an event of ${topic}, which this client has no right to`)
    row.delivered++
    if (place.seen.has(number)) row.doubles++
    else if (number <= place.last) row.disordered++
    if (number > place.last + 1 && !place.isExcused) this.holes.push({ topic, from: place.last + 1, to: number - 1, row })
    place.seen.add(number)
    place.last = Math.max(place.last, number)
    place.isExcused = false
  }

  tell (topic: string, isWhole: boolean): void {
    const place = this.places.get(topic)
    if (place === undefined) return
    if (isWhole) this.ledger.row.recovered++
    else {
      this.ledger.row.toldGap++
      place.isExcused = true
    }
  }
}

/** Counts every event: what was acknowledged, and what became of it at each client. */
export class Ledger {
  readonly rows: Row[] = []
  readonly members: Member[] = []
  private readonly acknowledged = new Map<string, Set<number>>()
  private readonly lastOf = new Map<string, number>()

  constructor () { this.begin('none yet') }

  /** What counts from now on. */
  get row (): Row { return this.rows[this.rows.length - 1] as Row }

  begin (fault: string): void {
    this.rows.push({ fault, published: 0, delivered: 0, recovered: 0, toldGap: 0, lost: 0, doubles: 0, disordered: 0 })
  }

  join (topics: readonly string[]): Member {
    const member = new Member(this, topics)
    this.members.push(member)
    return member
  }

  acknowledge (topic: string, number: number): void {
    const known = this.acknowledged.get(topic) ?? new Set()
    this.acknowledged.set(topic, known.add(number))
    this.lastOf.set(topic, Math.max(number, this.last(topic)))
    this.row.published++
  }

  /** The last number of a topic that was acknowledged. */
  last (topic: string): number { return this.lastOf.get(topic) ?? 0 }

  /** All numbers that were acknowledged. */
  get published (): number { return this.rows.reduce((sum, { published }) => sum + published, 0) }

  /** Whether each client has had the numbers named, or later ones. */
  hasReached (numbers: ReadonlyMap<string, number>): boolean {
    return this.members.every(member => member.topics.every(topic => member.lastOf(topic) >= (numbers.get(topic) ?? 0)))
  }

  /** Counts what was lost without a word: once nothing more can come. */
  settle (): void {
    for (const member of this.members) {
      const tails = member.topics.map(topic => ({ topic, from: member.lastOf(topic) + 1, to: this.last(topic), row: this.row }))
      for (const { topic, from, to, row } of [...member.holes, ...tails]) {
        for (let number = from; number <= to; number++) if (this.acknowledged.get(topic)?.has(number) === true) row.lost++
      }
    }
  }
}
