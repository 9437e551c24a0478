import type { ClientFrame, Ids } from './frames.js'
import { RequestError } from './request-error.js'

/** What to listen to. At least one list, none empty. */
export interface Filters {
  readonly agents?: Ids
  readonly tasks?: Ids
}

const ID = /^[A-Za-z0-9._:-]{1,128}$/
const MAX_ID_LENGTH = 64
const TARGET = /^(agent|task):[A-Za-z0-9._:-]{1,128}$/

const bad = (message: string): RequestError => new RequestError('bad_request', message)

function checkIds (name: string, ids: Ids | undefined): void {
  if (ids === undefined || ids === '*') return
  if (!Array.isArray(ids) || ids.length === 0) throw bad(`${name}: a list of ids that is not empty, or '*'`)
  for (const id of ids as readonly unknown[]) {
    if (typeof id !== 'string' || !ID.test(id)) throw bad(`${name}: an id is 1 to 128 of A-Z a-z 0-9 . _ : -`)
  }
}

/** Throws on what the gateway would count as a malformed frame: the third of those within a minute ends a connection. */
export function checkLists (lists: Readonly<Record<string, Ids | undefined>>): void {
  for (const [name, ids] of Object.entries(lists)) checkIds(name, ids)
}

/** The same for a number of last events. */
export function checkLast (last: unknown): void {
  if (last !== undefined && !(Number.isInteger(last) && Number(last) >= 1)) throw bad('last: 1 or more')
}

/** The same for a message: its target, its data, and its id, which may be left out. */
export function checkMessage (to: unknown, data: unknown, id: unknown): void {
  if (typeof to !== 'string' || !TARGET.test(to)) throw bad('to: agent:<id> or task:<id>')
  if (['undefined', 'function', 'symbol'].includes(typeof data)) throw bad('data: no JSON')
  if (id !== undefined && (typeof id !== 'string' || id.length < 1 || id.length > MAX_ID_LENGTH)) throw bad(`id: 1 to ${MAX_ID_LENGTH} characters`)
}

/** Topics are written `agent:<id>`, `task:<id>`; no id is `*`, which stands for all. */
export function toTopics ({ agents = [], tasks = [] }: Filters): string[] {
  const named = (kind: string, ids: Ids): string[] => (ids === '*' ? ['*'] : [...new Set(ids)]).map(id => `${kind}:${id}`)
  return [...named('agent', agents), ...named('task', tasks)]
}

const KINDS = ['agent:', 'task:'] as const

/** The topics in lists of at most `maxIds` of each kind; `*` covers all of its kind. */
export function toChunks (topics: readonly string[], maxIds: number): string[][] {
  const chunks: string[][] = []
  for (const kind of KINDS) {
    const all = topics.includes(`${kind}*`) ? [`${kind}*`] : topics.filter(topic => topic.startsWith(kind))
    for (let n = 0; n * maxIds < all.length; n++) (chunks[n] ??= []).push(...all.slice(n * maxIds, (n + 1) * maxIds))
  }
  return chunks
}

/** Halves tell which of a frame's topics is denied, as the gateway denies the whole for one. */
export function halve (topics: readonly string[]): string[][] {
  const middle = Math.ceil(topics.length / 2)
  return [topics.slice(0, middle), topics.slice(middle)]
}

/** The length of the longer of a chunk's two lists. */
export const longestList = (topics: readonly string[]): number =>
  Math.max(...KINDS.map(kind => topics.filter(topic => topic.startsWith(kind)).length))

type FilterLists = Pick<Extract<ClientFrame, { type: 'subscribe' }>, 'agent_ids' | 'task_ids'>

/** The lists of a frame. An empty one is left out, as the gateway refuses it. */
export function toFilterLists (topics: readonly string[]): FilterLists {
  const idsOf = (prefix: string): Ids => {
    const ids = topics.filter(topic => topic.startsWith(prefix)).map(topic => topic.slice(prefix.length))
    return ids.includes('*') ? '*' : ids
  }
  const [agents, tasks] = [idsOf('agent:'), idsOf('task:')]
  return { ...(agents.length > 0 ? { agent_ids: agents } : {}), ...(tasks.length > 0 ? { task_ids: tasks } : {}) }
}
