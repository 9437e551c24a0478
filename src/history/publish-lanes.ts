import { OperationFault, outcomeOfOperation } from '../operation-fault.js'
import { RedisTimeout, waitAtMost } from '../redis/bounded-wait.js'

/** Sends a publication; `asText`: with the whole script, which Redis then knows again. */
export type SendPublication<P> = (publication: P, asText: boolean) => Promise<unknown>

/** Does a piece of work; what it sends leaves as one write. */
export type SendTogether = <T>(work: () => T) => T

/** Publications on their way: those of one topic keep their order, also where Redis has lost the script meanwhile. */
export interface PublishLanes<P> {
  /** Resolves with Redis's answer; rejects with its error, or when it takes too long. */
  publish (topic: string, publication: P): Promise<unknown>
}

interface Item<P> {
  readonly publication: P
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: unknown) => void
  isSent: boolean
  /** Its publisher was told that it failed: what was not sent must not arrive after all. */
  isLate: boolean
}

type Outcome = { readonly reply: unknown } | { readonly error: unknown }

/**
 * Makes lanes for all topics. Of one topic at most `perBatch` publications are under way at once, sent one after the other without
 * waiting: more than 1 only where what is sent arrives in that order. `timeoutMs` bounds each, waiting included. What is published in
 * one turn goes through `together`.
 */
export function createPublishLanes<P> (
  send: SendPublication<P>, perBatch: number, timeoutMs: number, together: SendTogether = work => work()
): PublishLanes<P> {
  const lanes = new Map<string, Array<Item<P>>>()
  /** Those that begin at the end of this turn. */
  let starting: Array<() => void> = []

  async function run (topic: string, lane: Array<Item<P>>): Promise<void> {
    while (lane.length > 0) {
      const batch = lane.splice(0, perBatch).filter(({ isLate }) => !isLate)
      await sendInOrder(send, batch, together)
    }
    lanes.delete(topic)
  }

  return {
    async publish (topic, publication) {
      const item: Item<P> = { publication, resolve: () => {}, reject: () => {}, isSent: false, isLate: false }
      const answered = new Promise<unknown>((resolve, reject) => { Object.assign(item, { resolve, reject }) })
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

  function start (topic: string, item: Item<P>): void {
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
}

/** Sends publications of one topic; each of them is settled afterwards. Never rejects. */
async function sendInOrder<P> (send: SendPublication<P>, batch: ReadonlyArray<Item<P>>, together: SendTogether): Promise<void> {
  const outcomes = await Promise.all(together(() => batch.map(async item => await attempt(send, item, false))))
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
  settle(first, await attempt(send, first, true))
  await sendInOrder(send, rest, together)
}

async function attempt<P> (send: SendPublication<P>, item: Item<P>, asText: boolean): Promise<Outcome> {
  item.isSent = true
  try {
    return { reply: await send(item.publication, asText) }
  } catch (error) {
    return { error }
  }
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
