import type { Identity } from '../../tokens/identity.js'
import { AccessError } from '../access-error.js'
import type { Asked, Visible } from '../authorizer.js'
import { fitsShape, type IdShape } from '../id-shapes.js'
import type { Guarded, TableFacts } from './safeguards.js'
import type { Session } from './session.js'
import type { Kind } from '../positive-cache.js'
import { LIST_LIMIT } from '../remote-authorizer.js'

const BEGIN = 'begin isolation level read committed read only'

/**
 * All that the check needs, for this transaction only. Supabase's older functions read `request.jwt.claim.<name>` first:
 * they are set too, so that nothing that somebody left there can speak for this user. The ids travel as settings since
 * the query that follows then needs no parameters, and costs one round trip with the commit. The role comes last.
 */
const SET_UP = `select
  pg_catalog.set_config('statement_timeout', $1, true),
  pg_catalog.set_config('idle_in_transaction_session_timeout', $1, true),
  pg_catalog.set_config('request.jwt.claims', $2, true),
  pg_catalog.set_config('request.jwt.claim.sub', $3, true),
  pg_catalog.set_config('request.jwt.claim.role', $4, true),
  pg_catalog.set_config('request.jwt.claim.email', $5, true),
  pg_catalog.set_config('portcullis.agents', $6, true),
  pg_catalog.set_config('portcullis.tasks', $7, true),
  pg_catalog.set_config('role', $8, true)`

export interface CheckRequest {
  readonly identity: Identity
  readonly asked: Asked
  readonly guarded: Guarded
  readonly facts: TableFacts
  /** The server itself cancels a statement after this time, in ms: also where a cancel request could not reach it. */
  readonly timeoutMs: number
}

/**
 * Asks one user's question in one read-only transaction, in three round trips. Resolves with an `AccessError` when the
 * database answered with one and the transaction was rolled back: the connection is clean and can be used again.
 */
export async function checkRows (session: Session, request: CheckRequest): Promise<Visible | AccessError> {
  const { asked, guarded, facts } = request
  const possible = { agents: keepPossible(asked.agents, facts.agents), tasks: keepPossible(asked.tasks, facts.tasks) }
  const parts = [selectRows('agents', possible.agents, request), selectRows('tasks', possible.tasks, request)].flat()
  if (parts.length === 0) return { agents: [], tasks: [] }
  // A pooler that splits transactions would answer as another role: the answer says as whom.
  const query = ['select \'role\' as kind, current_user::text as id', ...parts].join(' union all ')
  try {
    await Promise.all([session.run(BEGIN), session.run(SET_UP, describeUser(request, possible))])
    return readAnswer(await session.run(`${query}; commit`), guarded.role)
  } catch (error) {
    if (!(error instanceof AccessError && error.answered)) throw error
    await session.run('rollback')
    return error
  }
}

/** An id that the column cannot hold is no row, and would be an error for all ids of the query. */
function keepPossible (asked: readonly string[] | '*', shape: IdShape): readonly string[] | '*' {
  return asked === '*' ? asked : asked.filter((id) => fitsShape(shape, id))
}

function selectRows (kind: Kind, ids: readonly string[] | '*', { guarded, facts }: CheckRequest): string[] {
  const select = `select '${kind}', t.id::text from ${guarded[kind].sql} t`
  if (ids === '*') return [`(${select} limit ${LIST_LIMIT})`]
  if (ids.length === 0) return []
  return [`(${select} where t.id = any (pg_catalog.current_setting('portcullis.${kind}')::${facts[kind]}[]))`]
}

function describeUser ({ identity, guarded, timeoutMs }: CheckRequest, { agents, tasks }: Asked): string[] {
  const { claims, subject } = identity
  return [
    String(Math.ceil(timeoutMs)),
    JSON.stringify(claims),
    subject,
    textOf(claims['role']),
    textOf(claims['email']),
    listOf(agents),
    listOf(tasks),
    guarded.role
  ]
}

function textOf (claim: unknown): string {
  return typeof claim === 'string' ? claim : ''
}

/** An array in Postgres's text form; quotes and backslashes cannot be in an id, and are escaped all the same. */
function listOf (ids: readonly string[] | '*'): string {
  return ids === '*' ? '{}' : `{${ids.map((id) => JSON.stringify(id)).join(',')}}`
}

function readAnswer (rows: readonly Readonly<Record<string, unknown>>[], role: string): Visible {
  const found: Record<string, string[]> = { role: [], agents: [], tasks: [] }
  for (const { kind, id } of rows) found[String(kind)]?.push(String(id))
  if (found['role']?.[0] !== role) throw new AccessError('the database answered as another role')
  return { agents: found['agents'] ?? [], tasks: found['tasks'] ?? [] }
}
