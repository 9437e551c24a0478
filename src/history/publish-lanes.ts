import { OperationFault } from '../operation-fault.js'
import { RedisTimeout, waitAtMost } from '../redis/bounded-wait.js'

/** Sends publications of one topic as one call; resolves with what became of each. `asText`: with the whole script. */
export type SendPublications<P, R> = (batch: readonly P[], asText: boolean) => Promise<ReadonlyArray<PromiseSettledResult<R>>>

/** Publications on their way: those of one topic keep their order, whatever happens to the script in Redis. */
export interface PublishLanes<P, R> {
  /** Resolves with what became of it; rejects with the error, or when it takes too long. */
  publish (topic: string, publication: P): Promise<R>
}

export interface PublishLanesOptions<P, R> {
  readonly send: SendPublications<P, R>
  /** Bounds each publication, waiting included, in ms. */
  readonly timeoutMs: number
  /** Most publications of one call, and most bytes of them; one is sent however large it is. */
  readonly most: number
  readonly mostBytes: number
  readonly bytesOf: (publication: P) => number
  /** Does the work of one turn; what it sends leaves as one write. */
  readonly together: (work: () => void) => void
}

interface Item<P, R> {
  readonly publication: P
  readonly resolve: (result: R) => void
  readonly reject: (error: unknown) => void
  isSent: boolean
  /** Its publisher was told that it failed: what was not sent must not arrive after all. */
  isLate: boolean
}

/** Makes lanes for all topics. Of one topic one call is under way at a time, and carries all that has come meanwhile. */
export function createPublishLanes<P, R> (
  { send, timeoutMs, most, mostBytes, bytesOf, together }: PublishLanesOptions<P, R>
): PublishLanes<P, R> {
  const lanes = new Map<string, Array<Item<P, R>>>()
  /** Those that begin at the end of this turn. */
  let starting: Array<() => void> = []

  function takeBatch (lane: Array<Item<P, R>>): Array<Item<P, R>> {
    let bytes = 0
    const end = lane.findIndex(({ publication }, place) => {
      bytes += bytesOf(publication)
      return place > 0 && (place >= most || bytes > mostBytes)
    })
    return lane.splice(0, end === -1 ? lane.length : end).filter(({ isLate }) => !isLate)
  }

  async function run (topic: string, lane: Array<Item<P, R>>): Promise<void> {
    while (lane.length > 0) {
      const batch = takeBatch(lane)
      if (batch.length > 0) await sendBatch(send, batch)
    }
    lanes.delete(topic)
  }

  function start (topic: string, item: Item<P, R>): void {
    const lane = [item]
    lanes.set(topic, lane)
    // In this turn others may join it.
    if (starting.length === 0) queueMicrotask(startAll)
    starting.push(() => { void run(topic, lane) })
  }

  function startAll (): void {
    const begins = starting
    starting = []
    together(() => { for (const begin of begins) begin() })
  }

  return {
    async publish (topic, publication) {
      const item: Item<P, R> = { publication, resolve: () => {}, reject: () => {}, isSent: false, isLate: false }
      const answered = new Promise<R>((resolve, reject) => { Object.assign(item, { resolve, reject }) })
      const lane = lanes.get(topic)
      if (lane === undefined) start(topic, item)
      else lane.push(item)
      try {
        return await waitAtMost(answered, timeoutMs, 'publishing')
      } catch (error) {
        if (item.isSent || !(error instanceof RedisTimeout)) throw error
        item.isLate = true
        throw new OperationFault('what was published to this topic before is not answered yet', 'undone')
      }
    }
  }
}

/** Sends a batch; each of it is settled afterwards. Never rejects. */
async function sendBatch<P, R> (send: SendPublications<P, R>, batch: ReadonlyArray<Item<P, R>>): Promise<void> {
  for (const item of batch) item.isSent = true
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
