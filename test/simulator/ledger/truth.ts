/** One event as the store numbered it; after a rollback two may have the same place. */
export interface Instance {
  /** Its place among all of its topic, in the order of publication. */
  readonly index: number
  /** The same among all of all topics. */
  readonly number: number
  readonly epoch: string
  readonly offset: number
  /** By the store's clock, which may be set. */
  readonly atMs: number
  /** In simulated time. */
  readonly publishedAtMs: number
  /** Which publication it is; null: what was published is no JSON, and is delivered to nobody. */
  readonly key: string | null
  readonly event: string
  readonly id: string | null
  isAcknowledged: boolean
}

export interface Place {
  readonly epoch: string
  readonly offset: number
}

const PLACE = /^\{"pos":"([^:]+):(\d+)","ts":(\d+)/
const KEY = /"k":"([^"]+)"/
const ID = /,"id":"([^"]+)"/
const EVENT = /"event":"([^"]+)"/

/** Reads a position as it stands in frames. */
export function readPlace (text: string): Place {
  const colon = text.lastIndexOf(':')
  return { epoch: text.slice(0, colon), offset: Number(text.slice(colon + 1)) }
}

/** All that was ever published, whatever became of it. */
export class Truth {
  private readonly topics = new Map<string, Instance[]>()
  private readonly byPlace = new Map<string, Instance[]>()
  /** How many instances of all topics there were when an epoch began. */
  private readonly births = new Map<string, number>()
  /** Instances of all topics. */
  count = 0

  constructor (private readonly nowMs: () => number) {}

  began (epoch: string): void { this.births.set(epoch, this.count) }

  published (topic: string, payload: Buffer): void {
    const text = payload.toString()
    const [, epoch = '', offset, ts] = PLACE.exec(text) ?? []
    if (epoch === '' || offset === '0') return
    const instances = this.of(topic)
    const instance: Instance = {
      index: instances.length,
      number: this.count++,
      epoch,
      offset: Number(offset),
      atMs: Number(ts),
      publishedAtMs: this.nowMs(),
      key: KEY.exec(text)?.[1] ?? null,
      event: EVENT.exec(text)?.[1] ?? '',
      id: ID.exec(text)?.[1] ?? null,
      isAcknowledged: false
    }
    instances.push(instance)
    const name = `${topic} ${epoch}:${instance.offset}`
    this.byPlace.set(name, [...this.byPlace.get(name) ?? [], instance])
  }

  of (topic: string): Instance[] {
    let instances = this.topics.get(topic)
    if (instances === undefined) {
      instances = []
      this.topics.set(topic, instances)
    }
    return instances
  }

  /** The one at a place that holds a publication; the latest where there are several. */
  find (topic: string, { epoch, offset }: Place, key: string | null): Instance | undefined {
    return this.byPlace.get(`${topic} ${epoch}:${offset}`)?.findLast(instance => key === null || instance.key === key)
  }

  /** Up to which index everything stands at or before a place; null: there was never such a place. */
  indexOf (topic: string, place: Place): number | null {
    if (place.offset > 0) return this.find(topic, place, null)?.index ?? null
    const before = this.births.get(place.epoch)
    if (before === undefined) return null
    const instances = this.of(topic)
    let index = instances.length - 1
    while ((instances[index]?.number ?? -1) >= before) index--
    return index
  }
}
