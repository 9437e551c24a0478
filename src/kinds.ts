/**
 * The kinds of resource that clients listen to, in one table. Paths, filters, claims, topics, frames, the settings and
 * queries of the databases, dev mode and the generated documents read it; no other file names a kind.
 */

interface KindRow {
  /** One of them, in a topic and in the target of `send`: `<kind>:<id>`. */
  readonly kind: string
  /** Several of them: the claim of a token, and the key of whatever is held by kind. */
  readonly claim: string
  /** The list of ids in the query of an upgrade and in frames. */
  readonly list: string
  /** The WebSocket path that takes only this list. */
  readonly path: string
  /** The setting that names the table or view in which a database's authorizer looks. */
  readonly setting: string
  /** Its default. */
  readonly relation: string
  /** The setting of how many events of each such topic are kept. */
  readonly historySetting: string
  /** Ids in the tokens of dev mode and in the examples of documents. */
  readonly samples: readonly [string, ...string[]]
}

export const KINDS = [
  {
    kind: 'agent',
    claim: 'agents',
    list: 'agent_ids',
    path: '/ws/agents',
    setting: 'WS_PG_AGENTS',
    relation: 'public.agents',
    historySetting: 'WS_HISTORY_EVENTS_AGENT',
    samples: ['a1', 'a2']
  },
  {
    kind: 'task',
    claim: 'tasks',
    list: 'task_ids',
    path: '/ws/tasks',
    setting: 'WS_PG_TASKS',
    relation: 'public.tasks',
    historySetting: 'WS_HISTORY_EVENTS_TASK',
    samples: ['t1']
  }
] as const satisfies readonly KindRow[]

export type Kind = typeof KINDS[number]
/** The columns whose texts name something else for each kind. */
type NameColumn = 'claim' | 'list' | 'setting' | 'historySetting'

/** One value for each kind, by the kind's claim. */
export type ByKind<T> = Readonly<Record<Kind['claim'], T>>

/** Makes a value for each kind, in the table's order. A loop of its own, as each upgrade comes here several times. */
export function mapKinds<T> (valueOf: (kind: Kind) => T): ByKind<T> {
  const values: Partial<Record<Kind['claim'], T>> = {}
  for (const kind of KINDS) values[kind.claim] = valueOf(kind)
  // Every row was met.
  return values as ByKind<T>
}

/** The same, under the names of any column. */
export function mapKindsBy<C extends NameColumn, T> (column: C, valueOf: (kind: Kind) => T): Record<Kind[C], T> {
  const values: Partial<Record<Kind[C], T>> = {}
  for (const kind of KINDS) values[kind[column]] = valueOf(kind)
  // Every row was met, and the keys are those of the rows.
  return values as Record<Kind[C], T>
}

/** Whether a topic or a target begins with this kind. */
export function isKind (text: string): text is Kind['kind'] {
  return KINDS.some(({ kind }) => kind === text)
}
