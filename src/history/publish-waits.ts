import { OperationFault } from '../operation-fault.js'
import { RedisTimeout } from '../redis/bounded-wait.js'
import type { Timers } from '../timers.js'

/** What one request publishes to one topic: it has one promise and one timer, however many events it brings. */
interface Asked<P, R> {
  readonly items: Array<Item<P, R>>
  readonly results: Array<PromiseSettledResult<R>>
  readonly cameAtMs: number
  /** How many are not told yet. */
  left: number
  /** Called once, when all are. */
  resolve (): void
}

/** One publication. */
export interface Item<P, R> {
  readonly publication: P
  readonly asked: Asked<P, R>
  readonly place: number
  /** Null: it waits for those before it. */
  sentAtMs: number | null
}

/** How those before an item come along. */
export interface Movement {
  /** When those under way were last answered. */
  movedAtMs: number
}

interface PublishWaitsOptions {
  /** How long an answer may take, in ms; also how long those that wait stay where nothing goes on before them. */
  readonly timeoutMs: number
  /** Most ms that one waits for those before it, though they are answered one after the other. */
  readonly waitMs: number
  readonly after: Timers['after']
  /** Monotonic, in ms. */
  readonly now: () => number
}

interface PublishWaits<P, R> {
  /** Makes items, hands them over, and resolves with what became of each, in order, once all are told. Never rejects. */
  add (
    lane: Movement, publications: readonly P[], take: (items: ReadonlyArray<Item<P, R>>) => void
  ): Promise<ReadonlyArray<PromiseSettledResult<R>>>
}

/** Makes the waits of publications: what takes too long is told to have failed, each by itself. */
export function createPublishWaits<P, R> ({ timeoutMs, waitMs, after, now }: PublishWaitsOptions): PublishWaits<P, R> {
  /** What is sent has its own time; what waits has it anew each time that those before it were answered. */
  function dueAtMs ({ movedAtMs }: Movement, { sentAtMs, asked: { cameAtMs } }: Item<P, R>): number {
    return sentAtMs === null ? Math.min(Math.max(movedAtMs, cameAtMs) + timeoutMs, cameAtMs + waitMs) : sentAtMs + timeoutMs
  }

  /** Gives up what is due by now; ms until the next is. */
  function giveUpLate (lane: Movement, { items }: Asked<P, R>): number {
    const nowMs = now()
    let nextMs = Infinity
    for (const item of items) {
      if (isTold(item)) continue
      const leftMs = dueAtMs(lane, item) - nowMs
      if (leftMs > 0) nextMs = Math.min(nextMs, leftMs)
      else giveUp(item, timeoutMs)
    }
    return Math.ceil(nextMs)
  }

  return {
    async add (lane, publications, take) {
      return await new Promise((resolve) => {
        let stopWatching = (): void => {}
        const asked: Asked<P, R> = {
          items: [],
          results: [],
          cameAtMs: now(),
          left: publications.length,
          resolve () {
            stopWatching()
            resolve(asked.results)
          }
        }
        for (const [place, publication] of publications.entries()) asked.items.push({ publication, asked, place, sentAtMs: null })
        take(asked.items)
        const watch = (): void => {
          const nextMs = giveUpLate(lane, asked)
          if (asked.left > 0) stopWatching = after(nextMs, watch)
        }
        watch()
      })
    }
  }
}

export const failed = (reason: unknown): PromiseRejectedResult => ({ status: 'rejected', reason })

/** Whether its publisher knows what became of it. */
export function isTold<P, R> ({ asked, place }: Item<P, R>): boolean {
  return asked.results[place] !== undefined
}

/** Tells what became of an item. The first that is told counts: what was given up must not succeed after all. */
export function tell<P, R> (item: Item<P, R>, result: PromiseSettledResult<R>): void {
  if (isTold(item)) return
  item.asked.results[item.place] = result
  if (--item.asked.left === 0) item.asked.resolve()
}

/** What was not sent must not arrive after all: who is told so publishes it again. */
function giveUp<P, R> (item: Item<P, R>, timeoutMs: number): void {
  tell(item, failed(item.sentAtMs === null
    ? new OperationFault('what was published to this topic before is not answered yet', 'undone')
    : new RedisTimeout(`publishing took longer than ${timeoutMs} ms`)))
}
