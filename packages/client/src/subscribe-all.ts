import type { ClientFrame, Ids, SubscribedFrame, UnsubscribedFrame } from './frames.js'
import { pause } from './pause.js'
import { RequestError } from './request-error.js'
import { longestList, toChunks, toFilterLists, toTopics } from './topics.js'
import type { Wanted } from './wanted.js'

export interface SubscribeAllOptions {
  readonly topics: readonly string[]
  /** Undefined: they stay as they are. */
  readonly eventTypes: Ids | undefined
  readonly wanted: Wanted
  /** Ids that a list may hold, as far as it is known now. */
  readonly maxIds: () => number
  /** Sends it on this connection or the next. */
  readonly ask: (frame: ClientFrame) => Promise<SubscribedFrame | UnsubscribedFrame>
  /** Aborts when the client ends. */
  readonly ended: AbortSignal
}

/** Waits that the gateway may ask for before a list of several frames is given up. */
const MAX_WAITS = 10

/**
 * Subscribes to all topics or to none, in as many frames as the gateway's longest list demands. What is confirmed is wanted from then on;
 * what a later frame's refusal undoes is not: all that this call alone has brought, and no other asks for. Rejects with the `RequestError`
 * of that refusal.
 */
export async function subscribeAll (options: SubscribeAllOptions): Promise<SubscribedFrame> {
  const { topics, eventTypes, wanted, maxIds, ask, ended } = options
  const { undecided } = wanted
  const chunks = topics.length === 0 ? [[]] : toChunks(topics, maxIds())
  const answers: SubscribedFrame[] = []
  const done: string[] = []
  let [isSplit, waits] = [chunks.length > 1, 0]

  /** What becomes of a chunk that was refused: it is asked for again later, or all is undone. */
  async function settle (chunk: string[], error: unknown): Promise<void> {
    const { reason, retryAfterMs } = error instanceof RequestError ? error : { reason: '', retryAfterMs: null }
    // The gateway takes less than was known when this was asked.
    if (reason === 'bad_request' && longestList(chunk) > maxIds()) {
      isSplit = true
      chunks.unshift(...toChunks(chunk, maxIds()))
      return
    }
    if (isSplit && reason === 'too_many_requests' && retryAfterMs !== null && waits++ < MAX_WAITS) {
      chunks.unshift(chunk)
      return await pause(retryAfterMs, ended)
    }
    await undo()
    throw error
  }

  async function undo (): Promise<void> {
    undecided.end(topics)
    const stars = topics.filter(isStar)
    const ids = [...new Set([...topics, ...done, ...undecided.broughtUnder(stars)])].filter(topic => !isStar(topic))
    wanted.drop(undecided.take(stars))
    for (const part of toChunks(ids, maxIds())) {
      // Looked at as each part goes out: others may ask for some of it meanwhile.
      const undone = undecided.take(part)
      wanted.drop(undone)
      if (undone.length > 0) await ask({ type: 'unsubscribe', ...toFilterLists(undone) }).catch(() => {})
    }
  }

  undecided.begin(topics)
  for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
    const narrowed = answers.length === 0 && eventTypes !== undefined ? { event_types: eventTypes } : {}
    try {
      const answer = await ask({ type: 'subscribe', ...toFilterLists(chunk), ...narrowed }) as SubscribedFrame
      answers.push(answer)
      // What `*` came to as well, as another call may name one of it.
      const got = [...chunk, ...toTopics({ agents: answer.agent_ids, tasks: answer.task_ids })]
      undecided.bring(got.filter(topic => !wanted.covers(topic)))
      done.push(...got)
      wanted.add(chunk)
      wanted.confirm(answer)
    } catch (error) {
      await settle(chunk, error)
    }
  }
  undecided.keep(topics, done)
  return join(answers)
}

const isStar = (topic: string): boolean => topic.endsWith(':*')

/** One answer in place of several. */
function join (answers: readonly SubscribedFrame[]): SubscribedFrame {
  const [first] = answers
  if (first !== undefined && answers.length === 1) return first
  return { type: 'subscribed', agent_ids: answers.flatMap(one => one.agent_ids), task_ids: answers.flatMap(one => one.task_ids) }
}
