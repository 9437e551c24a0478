/** A frame as it came over the wire, as far as the ledgers read it. */
export interface Frame {
  readonly type: string
  readonly id?: string | undefined
  readonly topic?: string | undefined
  readonly event?: string | undefined
  readonly data?: { readonly k: string } | undefined
  readonly ts?: string | undefined
  readonly pos?: string | undefined
  readonly replayed?: boolean | undefined
  readonly user_id?: string | undefined
  readonly agent_ids?: readonly string[] | undefined
  readonly task_ids?: readonly string[] | undefined
  readonly event_types?: readonly string[] | string | undefined
  readonly positions?: Readonly<Record<string, string>> | undefined
  readonly recovered?: Readonly<Record<string, boolean>> | boolean | undefined
  readonly since?: Readonly<Record<string, string>> | undefined
  readonly last?: number | undefined
  readonly topics?: Readonly<Record<string, string>> | undefined
  readonly error?: string | undefined
  readonly message?: string | undefined
}

export function topicsIn ({ agent_ids: agents = [], task_ids: tasks = [] }: Frame): string[] {
  return [...agents.map(id => `agent:${id}`), ...tasks.map(id => `task:${id}`)]
}

const WITHDRAWN = 'no longer allowed: '

/** The topics that an `error` frame says are withdrawn. */
export function withdrawnBy ({ type, error, message = '' }: Frame): string[] {
  return type === 'error' && error === 'forbidden' && message.startsWith(WITHDRAWN) ? message.slice(WITHDRAWN.length).split(', ') : []
}
