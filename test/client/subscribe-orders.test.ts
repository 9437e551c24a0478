// Calls of `subscribe` that overlap, in thousands of orders that a seed repeats: some fail, some ask for `*`. No socket: what is tested is
// the client's own account of who asks for what, against a gateway that is a set of topics.
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { ClientFrame, SubscribedFrame, UnsubscribedFrame } from '../../packages/client/src/frames.js'
import { SYSTEM_CLOCK } from '../../packages/client/src/clock.js'
import { createRecovery } from '../../packages/client/src/recovery.js'
import type { AskOptions } from '../../packages/client/src/requests.js'
import { RequestError } from '../../packages/client/src/request-error.js'
import { subscribeAll } from '../../packages/client/src/subscribe-all.js'
import { toTopics, type Filters } from '../../packages/client/src/topics.js'
import { createWanted } from '../../packages/client/src/wanted.js'
import { createRandom, type Random } from '../attacks/random.js'

const ORDERS = 4000
const IDS = ['0', '1', '2', '3', '4']
const ALL = toTopics({ agents: IDS, tasks: IDS })

type Asked = Extract<ClientFrame, { type: 'subscribe' | 'unsubscribe' }>
type Answer = SubscribedFrame | UnsubscribedFrame

/** What topics come to, `*` being all of its kind. */
const expand = (topics: Iterable<string>): Set<string> =>
  new Set([...topics].flatMap(topic => topic.endsWith('*') ? ALL.filter(one => one.startsWith(topic.slice(0, -1))) : [topic]))
const topicsOf = ({ agent_ids: agents = [], task_ids: tasks = [] }: Asked): string[] => [...expand(toTopics({ agents, tasks }))]
const idsOf = (topics: readonly string[], kind: string): string[] =>
  topics.filter(topic => topic.startsWith(kind)).map(topic => topic.slice(kind.length))

/** A gateway that has each frame served, and each answer delivered, when it is told to. */
class Gateway {
  readonly subscribed = new Set<string>()
  readonly frames: Array<{ readonly frame: Asked, readonly answer: (frame: Answer) => void, readonly refuse: (error: Error) => void }> = []
  readonly answers: Array<() => void> = []

  constructor (private readonly random: Random) {}

  readonly ask = async (frame: ClientFrame, { onAnswer }: AskOptions = {}): Promise<Answer> => await new Promise((resolve, reject) => {
    const answer = (given: Answer): void => {
      onAnswer?.(given)
      resolve(given)
    }
    this.frames.push({ frame: frame as Asked, answer, refuse: reject })
  })

  serve (): void {
    const next = this.frames.shift()
    if (next === undefined) return
    const topics = topicsOf(next.frame)
    const lists = { agent_ids: idsOf(topics, 'agent:'), task_ids: idsOf(topics, 'task:') }
    if (next.frame.type === 'unsubscribe') {
      for (const topic of topics) this.subscribed.delete(topic)
      this.answers.push(() => { next.answer({ type: 'unsubscribed', ...lists }) })
    } else if (this.random.chance(0.3)) {
      this.answers.push(() => { next.refuse(new RequestError('forbidden', 'no')) })
    } else {
      for (const topic of topics) this.subscribed.add(topic)
      this.answers.push(() => { next.answer({ type: 'subscribed', ...lists, positions: {} }) })
    }
  }
}

function pickFilters (random: Random): Filters {
  const pickIds = (): '*' | string[] => random.chance(0.25) ? '*' : [...new Set(Array.from({ length: 1 + random.below(4) }, () => random.pick(IDS)))]
  const [hasAgents, hasTasks] = [random.chance(0.7), random.chance(0.7)]
  return { ...((hasAgents || !hasTasks) && { agents: pickIds() }), ...(hasTasks && { tasks: pickIds() }) }
}

/** What a client has of two to four calls in one order: what those that succeeded named, what it wants, and what the gateway has for it. */
async function runOrder (seed: number): Promise<{ readonly named: string[], readonly wanted: string[], readonly subscribed: string[] }> {
  const random = createRandom(seed)
  const gateway = new Gateway(random)
  const wanted = createWanted({})
  const recovery = createRecovery({
    url: new URL('ws://gateway/ws'), storage: undefined, onRecovered () {}, onGap () {}, clock: SYSTEM_CLOCK
  })
  const pause = async (): Promise<void> => {}
  const named: string[] = []
  let [toStart, underWay] = [2 + random.below(3), 0]

  function start (): void {
    toStart--
    underWay++
    const topics = toTopics(pickFilters(random))
    subscribeAll({ topics, eventTypes: undefined, last: undefined, wanted, recovery, maxIds: () => 2, ask: gateway.ask, pause })
      .then(() => { named.push(...topics) }, () => { /* what it brought alone is undone */ })
      .finally(() => { underWay-- })
  }
  while (toStart > 0 || underWay > 0) {
    const can = [
      ...(toStart > 0 ? [start] : []),
      ...(gateway.frames.length > 0 ? [() => { gateway.serve() }] : []),
      ...(gateway.answers.length > 0 ? [() => { gateway.answers.shift()?.() }] : [])
    ]
    if (can.length > 0) random.pick(can)()
    if (can.length === 0 || random.chance(0.7)) await setImmediate()
  }
  const sorted = (topics: Iterable<string>): string[] => [...expand(topics)].sort()
  return { named: sorted(named), wanted: sorted(wanted.chunks(ALL.length).flat()), subscribed: sorted(gateway.subscribed) }
}

t.test(`in ${ORDERS} orders of calls, some with \`*\`, what is wanted and subscribed is what those that succeeded have named`, async (t) => {
  const offenders: Array<{ readonly seed: number }> = []
  for (let seed = 1; seed <= ORDERS; seed++) {
    const { named, wanted, subscribed } = await runOrder(seed)
    if (String(wanted) !== String(named) || String(subscribed) !== String(named)) offenders.push({ seed, ...{ named, wanted, subscribed } })
  }
  t.same(offenders.slice(0, 3), [])
})
