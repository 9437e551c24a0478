import { steadyNow } from '../clocks.js'
import { afterReading } from '../redis/bounded-wait.js'
import type { Timers } from '../timers.js'
import { createPublishWaits, failed, isTold, tell, type Item, type Movement } from './publish-waits.js'

/** Sends publications of one topic as one call; resolves with what became of each. `asText`: with the whole script. */
export type SendPublications<P, R> = (batch: readonly P[], asText: boolean) => Promise<ReadonlyArray<PromiseSettledResult<R>>>

/** Publications on their way: those of one topic keep their order, whatever happens to the script in Redis. */
export interface PublishLanes<P, R> {
  /** Resolves with what became of each, in order, as soon as that is known of all; what takes too long has failed. Never rejects. */
  publish (topic: string, publications: readonly P[]): Promise<ReadonlyArray<PromiseSettledResult<R>>>
}

export interface PublishLanesOptions<P, R> {
  readonly send: SendPublications<P, R>
  /** How long an answer may take, in ms; also how long those that wait stay where nothing goes on before them. */
  readonly timeoutMs: number
  /** Most ms that one waits for those before it, though they are answered one after the other. */
  readonly waitMs: number
  /** Most publications of one call, and most bytes of them; one is sent however large it is. */
  readonly most: number
  readonly mostBytes: number
  readonly bytesOf: (publication: P) => number
  /** Does the work of one turn; what it sends leaves as one write. */
  readonly together: (work: () => void) => void
  readonly after?: Timers['after']
  /** Monotonic, in ms. */
  readonly now?: () => number
}

/** The publications of one topic that wait. */
interface Lane<P, R> extends Movement {
  readonly waiting: Array<Item<P, R>>
}

/** Makes lanes for all topics. Of one topic one call is under way at a time, and carries all that has come meanwhile. */
export function createPublishLanes<P, R> (options: PublishLanesOptions<P, R>): PublishLanes<P, R> {
  const { send, timeoutMs, waitMs, most, mostBytes, bytesOf, together, after = afterReading, now = steadyNow } = options
  const waits = createPublishWaits<P, R>({ timeoutMs, waitMs, after, now })
  const lanes = new Map<string, Lane<P, R>>()
  /** Those that begin at the end of this turn. */
  let starting: Array<() => void> = []

  function takeBatch (waiting: Array<Item<P, R>>): Array<Item<P, R>> {
    let bytes = 0
    const end = waiting.findIndex(({ publication }, place) => {
      bytes += bytesOf(publication)
      return place > 0 && (place >= most || bytes > mostBytes)
    })
    return waiting.splice(0, end === -1 ? waiting.length : end).filter(item => !isTold(item))
  }

  async function run (topic: string, lane: Lane<P, R>): Promise<void> {
    while (lane.waiting.length > 0) {
      const batch = takeBatch(lane.waiting)
      for (const item of batch) item.sentAtMs = now()
      if (batch.length > 0) await sendBatch(send, batch)
      lane.movedAtMs = now()
    }
    lanes.delete(topic)
  }

  function open (topic: string): Lane<P, R> {
    const lane: Lane<P, R> = { waiting: [], movedAtMs: now() }
    lanes.set(topic, lane)
    // In this turn others may join the first.
    if (starting.length === 0) queueMicrotask(startAll)
    starting.push(() => { void run(topic, lane) })
    return lane
  }

  function startAll (): void {
    const begins = starting
    starting = []
    together(() => { for (const begin of begins) begin() })
  }

  return {
    async publish (topic, publications) {
      if (publications.length === 0) return []
      const lane = lanes.get(topic) ?? open(topic)
      return await waits.add(lane, publications, (items) => { lane.waiting.push(...items) })
    }
  }
}

/** Sends a batch, and tells what became of each. Never rejects. */
async function sendBatch<P, R> (send: SendPublications<P, R>, batch: ReadonlyArray<Item<P, R>>): Promise<void> {
  try {
    const publications = batch.map(({ publication }) => publication)
    const results = await send(publications, false).catch(async (error: unknown) => {
      // Redis had lost the script, so nothing of this was done, and nothing behind it was sent.
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return await send(publications, true)
    })
    for (const [place, item] of batch.entries()) tell(item, results[place] ?? failed(new TypeError('a publication has no outcome')))
  } catch (error) {
    for (const item of batch) tell(item, failed(error))
  }
}
