import { KINDS, mapKinds, type Kind } from '../../kinds.js'
import type { Identity } from '../../tokens/identity.js'
import { AccessError } from '../access-error.js'
import { NOTHING_VISIBLE, type Asked, type Visible } from '../authorizer.js'
import { fitsShape, ID_PATTERN, type IdShape } from '../id-shapes.js'
import { begin } from './begin.js'
import type { PgConnection, Row } from './connection.js'
import { readFacts, readFingerprint, selectFacts } from './safeguard-facts.js'
import type { Guarded, Inspection } from './safeguards.js'
import { LIST_LIMIT } from '../remote-authorizer.js'

/**
 * All that the check needs, for this transaction only. Supabase's `auth.jwt()` reads `request.jwt.claim` before
 * `request.jwt.claims`, and its older functions `request.jwt.claim.<name>`: all are ours or empty, as `reset all` brings back
 * the defaults of role and database. The path is the one that policies and their helpers were made for: what is written here
 * names the schema of every operator, function and type instead, as others may have put theirs on that path. The driver reads
 * UTF-8. With `row_security` off, which role or database may give, a policy is an error. The ids travel as settings since the
 * query that follows then needs no parameters, and costs one round trip with the rollback. The role comes last.
 */
const SET_UP = `select
  pg_catalog.set_config('statement_timeout', $1, true),
  pg_catalog.set_config('client_encoding', 'UTF8', true),
  pg_catalog.set_config('row_security', 'on', true),
  pg_catalog.set_config('request.jwt.claim', '', true),
  pg_catalog.set_config('request.jwt.claims', $2, true),
  pg_catalog.set_config('request.jwt.claim.sub', $3, true),
  pg_catalog.set_config('request.jwt.claim.role', $4, true),
  pg_catalog.set_config('request.jwt.claim.email', $5, true),
  ${KINDS.map(({ claim }, at) => `pg_catalog.set_config('portcullis.${claim}', $${6 + at}, true)`).join(',\n  ')},
  pg_catalog.set_config('role', $${6 + KINDS.length}, true)`

/** The type of a list of ids of each shape. */
const ARRAYS: Readonly<Record<IdShape, string>> = {
  text: 'pg_catalog.text[]',
  uuid: 'pg_catalog.uuid[]',
  bigint: 'pg_catalog.int8[]',
  integer: 'pg_catalog.int4[]',
  smallint: 'pg_catalog.int2[]'
}

/**
 * Anybody may have put rows into a shared table whose ids no client can ask for, many or one of a megabyte: they must not crowd out the
 * others of a list. The collation is one that regular expressions know.
 */
const ONLY_IDS = ` where t.id::pg_catalog.text collate pg_catalog."C" operator(pg_catalog.~) '${ID_PATTERN}'`

export interface CheckRequest {
  readonly identity: Identity
  readonly asked: Asked
  readonly guarded: Guarded
  /** What was found on this connection: an answer counts only while that holds. */
  readonly inspection: Inspection
  /** The server itself cancels a statement after this time, in ms: also where a cancel request could not reach it. */
  readonly timeoutMs: number
}

const BEGIN = begin('read committed')
/** Class 42: a name, a type or an operator is not what the question takes it for. A policy may have a fault of this class as well. */
const MISFIT = /^42/
/** What was found on the connection no longer holds: nothing of the answer counts, and the connection is to be inspected anew. */
export const CHANGED = Symbol('changed')

/**
 * Asks one user's question in one read-only transaction, in three round trips. Resolves with an `AccessError` when the
 * database answered with one and the transaction was rolled back: the connection is clean and can be used again.
 */
export async function checkRows (connection: PgConnection, request: CheckRequest): Promise<Visible | AccessError | typeof CHANGED> {
  const { asked, guarded, inspection } = request
  const possible = mapKinds(({ claim }) => keepPossible(asked[claim], inspection.facts[claim]))
  const parts = KINDS.flatMap(kind => selectRows(kind, possible[kind.claim], request))
  if (parts.length === 0) return NOTHING_VISIBLE
  // A pooler that splits transactions would answer as another role: the answer says as whom.
  const facts = selectFacts({ role: 'current_user', counted: inspection.counted })
  const query = ['select \'role\' as kind, current_user::pg_catalog.text as id', ...parts, ...facts].join(' union all ')
  try {
    await Promise.all([connection.run(BEGIN), connection.run(SET_UP, describeUser(request, possible))])
    return readAnswer(await connection.run(`${query}; rollback`), guarded.role, inspection)
  } catch (error) {
    if (!(error instanceof AccessError && error.answered)) throw error
    await connection.run('rollback')
    return MISFIT.test(error.code ?? '') && await hasChanged(connection, request) ? CHANGED : error
  }
}

/** Whether what was found on the connection no longer holds. */
async function hasChanged (connection: PgConnection, { guarded: { role }, inspection }: CheckRequest): Promise<boolean> {
  const { counted, fingerprint } = inspection
  const [, current] = await Promise.all([connection.run(BEGIN), readFingerprint(connection, role, counted), connection.run('rollback')])
  return current !== fingerprint
}

/** An id that the column cannot hold is no row, and would be an error for all ids of the query. */
function keepPossible (asked: readonly string[] | '*', shape: IdShape): readonly string[] | '*' {
  return asked === '*' ? asked : asked.filter((id) => fitsShape(shape, id))
}

function selectRows ({ claim }: Kind, ids: readonly string[] | '*', { guarded, inspection: { facts } }: CheckRequest): string[] {
  const select = `select '${claim}', t.id::pg_catalog.text from ${guarded[claim].sql} t`
  if (ids === '*') return [`(${select}${facts[claim] === 'text' ? ONLY_IDS : ''} limit ${LIST_LIMIT})`]
  if (ids.length === 0) return []
  return [`(${select} where t.id operator(pg_catalog.=) any (pg_catalog.current_setting('portcullis.${claim}')::${ARRAYS[facts[claim]]}))`]
}

function describeUser ({ identity, guarded, timeoutMs }: CheckRequest, asked: Asked): string[] {
  const { claims, subject } = identity
  return [
    // 0 would be no bound at all.
    String(Math.max(1, Math.ceil(timeoutMs))),
    JSON.stringify(claims),
    subject,
    textOf(claims['role']),
    textOf(claims['email']),
    ...KINDS.map(({ claim }) => listOf(asked[claim])),
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

function readAnswer (rows: readonly Row[], role: string, { fingerprint }: Inspection): Visible | typeof CHANGED {
  const idsOf = (name: string): string[] => rows.filter(({ kind }) => kind === name).map(({ id }) => String(id))
  if (idsOf('role')[0] !== role) throw new AccessError('other_role', 'the database answered as another role')
  if (readFacts(rows) !== fingerprint) return CHANGED
  return mapKinds(({ claim }) => idsOf(claim))
}
