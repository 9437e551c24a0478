import type { ClientFrame, Ids, PositionsByTopic, SubscribedFrame, UnsubscribedFrame } from './frames.js'
import type { Pause } from './pause.js'
import type { Recovery } from './recovery.js'
import { RequestError } from './request-error.js'
import type { AskOptions } from './requests.js'
import { halve, longestList, toChunks, toFilterLists, toTopics } from './topics.js'
import type { Wanted } from './wanted.js'

export interface SubscribeAllOptions {
  readonly topics: readonly string[]
  /** Undefined: they stay as they are. */
  readonly eventTypes: Ids | undefined
  /** How many of the newest events are asked for; undefined: none. */
  readonly last: number | undefined
  readonly wanted: Wanted
  readonly recovery: Recovery
  /** Ids that a list may hold, as far as it is known now. */
  readonly maxIds: () => number
  /** Sends it on this connection or the next. */
  readonly ask: (frame: ClientFrame, options?: AskOptions) => Promise<SubscribedFrame | UnsubscribedFrame>
  /** Waits, at most until the client ends. */
  readonly pause: Pause
}

/** Waits that the gateway may ask for before a list of several frames is given up. */
const MAX_WAITS = 10

/**
 * Subscribes to all topics or to none, in as many frames as the gateway's longest list demands. What is confirmed is wanted from then on;
 * what a later frame's refusal undoes is not: all that this call alone has brought, and no other asks for. Rejects with the `RequestError`
 * of that refusal.
 */
export async function subscribeAll (options: SubscribeAllOptions): Promise<SubscribedFrame> {
  const { topics, eventTypes, last, wanted, recovery, maxIds, ask, pause } = options
  const { undecided } = wanted
  const before = new Set(topics.filter(topic => wanted.has(topic)))
  // The gateway gives the last events of topics that the connection has not, and refuses a frame that asks for those of others.
  const parts = last === undefined ? [topics] : [topics.filter(topic => !before.has(topic)), [...before]]
  const chunks = topics.length === 0 ? [[]] : parts.flatMap(part => toChunks(part, maxIds()))
  const answers: SubscribedFrame[] = []
  const done: string[] = []
  let [isSplit, waits] = [chunks.length > 1, 0]

  /** What becomes of a chunk that was refused: it is asked for again later, or all is undone. */
  async function settle (chunk: string[], error: unknown): Promise<void> {
    const { reason, retryAfterMs } = error instanceof RequestError ? error : { reason: '', retryAfterMs: null }
    // Without an answer it may be subscribed yet.
    if (reason !== 'timeout') recovery.refused(chunk)
    // The gateway takes less than was known when this was asked.
    if (reason === 'bad_request' && longestList(chunk) > maxIds()) {
      isSplit = true
      chunks.unshift(...toChunks(chunk, maxIds()))
      return
    }
    if (isSplit && reason === 'too_many_requests' && retryAfterMs !== null && waits++ < MAX_WAITS) {
      chunks.unshift(chunk)
      return await pause(retryAfterMs)
    }
    if (reason === 'frame_too_large' && chunk.length > 1) {
      isSplit = true
      chunks.unshift(...halve(chunk))
      return
    }
    await undo(options, done)
    throw error
  }

  function take (chunk: readonly string[], answer: SubscribedFrame): void {
    answers.push(answer)
    // What `*` came to as well, as another call may name one of it.
    const got = [...chunk, ...toTopics({ agents: answer.agent_ids, tasks: answer.task_ids })]
    undecided.bring(got.filter(topic => !wanted.covers(topic)))
    done.push(...got)
    wanted.add(chunk)
    wanted.confirm(answer)
  }

  undecided.begin(topics)
  for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
    const narrowed = answers.length === 0 && eventTypes !== undefined ? { event_types: eventTypes } : {}
    try {
      await ask({ type: 'subscribe', ...toFilterLists(chunk), ...narrowed }, {
        more: () => recovery.recall(chunk, last),
        onAnswer (answer) { take(chunk, answer as SubscribedFrame) }
      })
    } catch (error) {
      await settle(chunk, error)
    }
  }
  undecided.keep(topics, done)
  return join(answers)
}

/** Leaves all that the call alone has brought, and no other asks for. `done`: what was confirmed. */
async function undo ({ topics, wanted, recovery, maxIds, ask }: SubscribeAllOptions, done: readonly string[]): Promise<void> {
  const { undecided } = wanted
  const drop = (undone: readonly string[]): void => {
    wanted.drop(undone)
    recovery.drop(undone)
  }
  undecided.end(topics)
  const stars = topics.filter(isStar)
  const ids = [...new Set([...topics, ...done, ...undecided.broughtUnder(stars)])].filter(topic => !isStar(topic))
  drop(undecided.take(stars))
  for (const part of toChunks(ids, maxIds())) {
    // Looked at as each part goes out: others may ask for some of it meanwhile.
    const undone = undecided.take(part)
    drop(undone)
    if (undone.length > 0) await ask({ type: 'unsubscribe', ...toFilterLists(undone) }).catch(() => {})
  }
}

const isStar = (topic: string): boolean => topic.endsWith(':*')

/** One answer in place of several. */
function join (answers: readonly SubscribedFrame[]): SubscribedFrame {
  const [first] = answers
  if (first !== undefined && answers.length === 1) return first
  return {
    type: 'subscribed',
    agent_ids: answers.flatMap(one => one.agent_ids),
    task_ids: answers.flatMap(one => one.task_ids),
    positions: first?.positions && Object.assign({}, ...answers.map(one => one.positions)) as PositionsByTopic
  }
}
