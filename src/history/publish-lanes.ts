import { steadyNow } from '../clocks.js'
import { OperationFault } from '../operation-fault.js'
import { afterReading, RedisTimeout } from '../redis/bounded-wait.js'
import type { Timers } from '../timers.js'

/** Sends publications of one topic as one call; resolves with what became of each. `asText`: with the whole script. */
export type SendPublications<P, R> = (batch: readonly P[], asText: boolean) => Promise<ReadonlyArray<PromiseSettledResult<R>>>

/** Publications on their way: those of one topic keep their order, whatever happens to the script in Redis. */
export interface PublishLanes<P, R> {
  /** Resolves with what became of it; rejects with the error, or when it takes too long. */
  publish (topic: string, publication: P): Promise<R>
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

interface Item<P, R> {
  readonly publication: P
  readonly resolve: (result: R) => void
  readonly reject: (error: unknown) => void
  readonly cameAtMs: number
  /** Null: it waits for those before it. */
  sentAtMs: number | null
  /** Its publisher was told that it failed: what was not sent must not arrive after all. */
  isLate: boolean
}

/** The publications of one topic that wait. */
interface Lane<P, R> {
  readonly waiting: Array<Item<P, R>>
  /** When those under way were last answered. */
  movedAtMs: number
}

/** Makes lanes for all topics. Of one topic one call is under way at a time, and carries all that has come meanwhile. */
export function createPublishLanes<P, R> (options: PublishLanesOptions<P, R>): PublishLanes<P, R> {
  const { send, timeoutMs, waitMs, most, mostBytes, bytesOf, together, after = afterReading, now = steadyNow } = options
  const lanes = new Map<string, Lane<P, R>>()
  /** Those that begin at the end of this turn. */
  let starting: Array<() => void> = []

  function takeBatch (waiting: Array<Item<P, R>>): Array<Item<P, R>> {
    let bytes = 0
    const end = waiting.findIndex(({ publication }, place) => {
      bytes += bytesOf(publication)
      return place > 0 && (place >= most || bytes > mostBytes)
    })
    return waiting.splice(0, end === -1 ? waiting.length : end).filter(({ isLate }) => !isLate)
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

  /** What is sent has its own time; what waits has it anew each time that those before it were answered. */
  function dueAtMs ({ movedAtMs }: Lane<P, R>, { sentAtMs, cameAtMs }: Item<P, R>): number {
    return sentAtMs === null ? Math.min(Math.max(movedAtMs, cameAtMs) + timeoutMs, cameAtMs + waitMs) : sentAtMs + timeoutMs
  }

  return {
    async publish (topic, publication) {
      const lane = lanes.get(topic) ?? open(topic)
      let stopWatching = (): void => {}
      try {
        return await new Promise<R>((resolve, reject) => {
          const item: Item<P, R> = { publication, resolve, reject, cameAtMs: now(), sentAtMs: null, isLate: false }
          const watch = (): void => {
            const leftMs = dueAtMs(lane, item) - now()
            if (leftMs > 0) stopWatching = after(Math.ceil(leftMs), watch)
            else giveUp(item, timeoutMs)
          }
          lane.waiting.push(item)
          watch()
        })
      } finally {
        stopWatching()
      }
    }
  }
}

function giveUp<P, R> (item: Item<P, R>, timeoutMs: number): void {
  if (item.sentAtMs !== null) return item.reject(new RedisTimeout(`publishing took longer than ${timeoutMs} ms`))
  item.isLate = true
  item.reject(new OperationFault('what was published to this topic before is not answered yet', 'undone'))
}

/** Sends a batch; each of it is settled afterwards. Never rejects. */
async function sendBatch<P, R> (send: SendPublications<P, R>, batch: ReadonlyArray<Item<P, R>>): Promise<void> {
  try {
    const publications = batch.map(({ publication }) => publication)
    const results = await send(publications, false).catch(async (error: unknown) => {
      // Redis had lost the script, so nothing of this was done, and nothing behind it was sent.
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return await send(publications, true)
    })
    for (const [place, { resolve, reject }] of batch.entries()) {
      const result = results[place]
      if (result?.status === 'fulfilled') resolve(result.value)
      else reject(result?.reason)
    }
  } catch (error) {
    for (const { reject } of batch) reject(error)
  }
}
