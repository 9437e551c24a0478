import { steadyNow } from '../clocks.js'
import { OperationFault, outcomeOfOperation } from '../operation-fault.js'
import { RedisTimeout } from '../redis/bounded-wait.js'
import { SYSTEM_TIMERS, type Timers } from '../timers.js'

/** Sends a publication; `asText`: with the whole script, which Redis then knows again. */
export type SendPublication<P> = (publication: P, asText: boolean) => Promise<unknown>

/** Publications on their way: those of one topic keep their order, also where Redis has lost the script meanwhile. */
export interface PublishLanes<P> {
  /** Resolves with Redis's answer; rejects with its error, or when it takes too long. */
  publish (topic: string, publication: P): Promise<unknown>
}

interface Item<P> {
  readonly publication: P
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: unknown) => void
  readonly cameAtMs: number
  /** Null: it waits for those before it. */
  sentAtMs: number | null
  /** Its publisher was told that it failed: what was not sent must not arrive after all. */
  isLate: boolean
}

/** The publications of one topic that wait. */
interface Lane<P> {
  readonly waiting: Array<Item<P>>
  /** When those under way were last all answered. */
  movedAtMs: number
}

export interface PublishLanesOptions<P> {
  readonly send: SendPublication<P>
  /** So many of one topic are under way at once, sent without waiting for answers: more than 1 only where they arrive in that order. */
  readonly perBatch: number
  /** How long an answer may take, in ms; also how long those that wait stay where nothing goes on before them. */
  readonly timeoutMs: number
  /** Most ms that one waits for those before it, though they are answered one by one. */
  readonly waitMs: number
  readonly timers?: Timers
  /** Monotonic, in ms. */
  readonly now?: () => number
}

type Outcome = { readonly reply: unknown } | { readonly error: unknown }
type Attempt<P> = (item: Item<P>, asText: boolean) => Promise<Outcome>

/** Makes lanes for all topics. */
export function createPublishLanes<P> (options: PublishLanesOptions<P>): PublishLanes<P> {
  const { send, perBatch, timeoutMs, waitMs, timers = SYSTEM_TIMERS, now = steadyNow } = options
  const lanes = new Map<string, Lane<P>>()
  const attempt: Attempt<P> = async (item, asText) => {
    item.sentAtMs = now()
    try {
      return { reply: await send(item.publication, asText) }
    } catch (error) {
      return { error }
    }
  }

  async function run (topic: string, lane: Lane<P>): Promise<void> {
    while (lane.waiting.length > 0) {
      await sendInOrder(attempt, lane.waiting.splice(0, perBatch).filter(({ isLate }) => !isLate))
      lane.movedAtMs = now()
    }
    lanes.delete(topic)
  }

  function open (topic: string): Lane<P> {
    const lane: Lane<P> = { waiting: [], movedAtMs: now() }
    lanes.set(topic, lane)
    // In this turn others may join the first.
    queueMicrotask(() => { void run(topic, lane) })
    return lane
  }

  /** What is sent has its own time; what waits has it anew each time that those before it were answered. */
  function dueAtMs ({ movedAtMs }: Lane<P>, { sentAtMs, cameAtMs }: Item<P>): number {
    return sentAtMs === null ? Math.min(Math.max(movedAtMs, cameAtMs) + timeoutMs, cameAtMs + waitMs) : sentAtMs + timeoutMs
  }

  return {
    async publish (topic, publication) {
      const lane = lanes.get(topic) ?? open(topic)
      let stopWatching = (): void => {}
      try {
        return await new Promise<unknown>((resolve, reject) => {
          const item: Item<P> = { publication, resolve, reject, cameAtMs: now(), sentAtMs: null, isLate: false }
          const watch = (): void => {
            const leftMs = dueAtMs(lane, item) - now()
            if (leftMs > 0) stopWatching = timers.after(Math.ceil(leftMs), watch)
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

function giveUp<P> (item: Item<P>, timeoutMs: number): void {
  if (item.sentAtMs !== null) return item.reject(new RedisTimeout(`publishing took longer than ${timeoutMs} ms`))
  item.isLate = true
  item.reject(new OperationFault('what was published to this topic before is not answered yet', 'undone'))
}

/** Sends publications of one topic; each of them is settled afterwards. Never rejects. */
async function sendInOrder<P> (attempt: Attempt<P>, batch: ReadonlyArray<Item<P>>): Promise<void> {
  const outcomes = await Promise.all(batch.map(async item => await attempt(item, false)))
  const lastDone = outcomes.findLastIndex(mayBeDone)
  const again: Array<Item<P>> = []
  for (const [place, item] of batch.entries()) {
    const outcome = outcomes[place]
    if (outcome === undefined) continue
    if (!isScriptLost(outcome)) settle(item, outcome)
    else if (place > lastDone) again.push(item)
    else item.reject(new OperationFault('Redis had lost the script, and what was published later has passed', 'undone'))
  }
  const [first, ...rest] = again
  if (first === undefined) return
  settle(first, await attempt(first, true))
  await sendInOrder(attempt, rest)
}

function settle<P> (item: Item<P>, outcome: Outcome): void {
  if ('reply' in outcome) item.resolve(outcome.reply)
  else item.reject(outcome.error)
}

function isScriptLost (outcome: Outcome): boolean {
  return 'error' in outcome && outcome.error instanceof Error && outcome.error.message.startsWith('NOSCRIPT')
}

function mayBeDone (outcome: Outcome): boolean {
  return 'reply' in outcome || (!isScriptLost(outcome) && outcomeOfOperation(outcome.error) === 'unknown')
}
