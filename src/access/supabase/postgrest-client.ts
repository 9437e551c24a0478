import { readText } from '../../tokens/read-text.js'
import { findErrorCode } from '../../error-code.js'
import { AccessError } from '../access-error.js'
import type { AccessCause } from '../causes.js'
import { causeOfNetworkError } from '../network-cause.js'
import type { QualifiedName } from '../qualified-name.js'
import { causeOfSqlstate, isSqlstate, isTrouble } from '../sqlstate.js'

export interface PostgrestClientOptions {
  /** The project's base URL; `/rest/v1` is beneath it. */
  readonly url: string
  readonly anonKey: string
}

export interface PostgrestRequest {
  readonly table: QualifiedName
  /** Encoded, without `select`. */
  readonly filter: string
  readonly token: string
  /** Whether PostgREST counts all matching rows: it may return fewer than were asked for. */
  readonly counted: boolean
  readonly signal: AbortSignal
}

export interface PostgrestRows {
  readonly ids: readonly string[]
  /** All matching rows; null when they were not counted. */
  readonly total: number | null
  /** The database denies the table to the role that the token names, and so there are none. */
  readonly denied: boolean
}

/** Reads ids as the user; null when an id's form does not fit the column. Rejects with `AccessError`. */
export type ReadIds = (request: PostgrestRequest) => Promise<PostgrestRows | null>

const MAX_BODY_BYTES = 512 * 1024
/** The code of an answer that is longer than that. */
export const TOO_MUCH = 'too_much'
/** `invalid_text_representation` and `numeric_value_out_of_range`. */
const UNFIT_CODES: ReadonlySet<unknown> = new Set(['22P02', '22003'])
const INSUFFICIENT_PRIVILEGE = '42501'
/** One of PostgREST's own codes. */
const OWN_CODE = /^PGRST[0-9X]\d\d$/
const TOO_MANY_REQUESTS = 429
/** What a status says where no SQLSTATE stands beside it; PostgREST's own codes begin with PGRST, and are longer. */
const CAUSES: Readonly<Record<number, AccessCause>> = { 401: 'token_refused', 404: 'missing', 406: 'missing', [TOO_MANY_REQUESTS]: 'too_many_requests' }

/** Makes the reader. The user's own token goes along, so that PostgREST sets role and claims from it. */
export function createPostgrestClient ({ url, anonKey }: PostgrestClientOptions): ReadIds {
  const base = `${url.replace(/\/+$/, '')}/rest/v1/`

  return async ({ table, filter, token, counted, signal }) => {
    const headers = {
      accept: 'application/json',
      'accept-profile': table.schema,
      apikey: anonKey,
      authorization: `Bearer ${token}`,
      ...(counted ? { prefer: 'count=exact' } : {})
    }
    try {
      // As text, since a large bigint would lose digits in JSON.
      const response = await fetch(`${base}${table.name}?select=id::text&${filter}`, { headers, signal, redirect: 'error' })
      const text = await readText(response, MAX_BODY_BYTES)
      if (text === null) throw new AccessError('bad_answer', 'PostgREST sent too much', { code: TOO_MUCH })
      const body = parseJson(text)
      return response.ok ? { ids: readRows(body), total: readTotal(response), denied: false } : readRefusal(response.status, body)
    } catch (error) {
      // An error of fetch may quote the URL or a header.
      if (error instanceof AccessError) throw error
      throw signal.aborted ? new AccessError('timeout', 'PostgREST did not answer in time') : describeUnreached(error)
    }
  }
}

function describeUnreached (error: unknown): AccessError {
  const code = findErrorCode(error)
  return new AccessError(causeOfNetworkError(error, code), `PostgREST cannot be reached (${code ?? 'unknown'})`, { code })
}

function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function readRows (body: unknown): string[] {
  if (!Array.isArray(body)) throw new AccessError('bad_answer', 'PostgREST sent no list of rows')
  const rows: readonly unknown[] = body
  return rows.map((row) => {
    const id: unknown = typeof row === 'object' && row !== null && 'id' in row ? row.id : null
    if (typeof id !== 'string') throw new AccessError('bad_answer', 'PostgREST sent a row without an id')
    return id
  })
}

/** `Content-Range: 0-24/3573`, or an asterisk for the unknown total. */
function readTotal (response: Response): number | null {
  const total = response.headers.get('content-range')?.split('/')[1] ?? ''
  return /^[0-9]{1,15}$/.test(total) ? Number(total) : null
}

function readRefusal (status: number, body: unknown): PostgrestRows | null {
  const code: unknown = typeof body === 'object' && body !== null && 'code' in body ? body.code : null
  if (status === 400 && UNFIT_CODES.has(code)) return null
  // An answer of the database, and a final one. A 401 or 403 without this code may be of a proxy, and says nothing of the rows.
  if (code === INSUFFICIENT_PRIVILEGE && (status === 401 || status === 403)) return { ids: [], total: 0, denied: true }
  // Also 401: the token was good to us, so that the two disagree about keys or clocks, and nobody can tell for how long.
  throw describeRefused(status, code)
}

function describeRefused (status: number, code: unknown): AccessError {
  const sqlstate = isSqlstate(code) ? code : null
  const known = sqlstate ?? (typeof code === 'string' && OWN_CODE.test(code) ? code : null)
  const said = known === null ? String(status) : `${status} ${known}`
  const reason = sqlstate === null ? CAUSES[status] ?? 'http_status' : causeOfSqlstate(sqlstate)
  return new AccessError(reason, `PostgREST answered ${said}`, { code: said, answered: isAboutThisQuestion(status, sqlstate) })
}

/** Also a statement of this user that took too long, or failed in the database in another way, is an answer: a 500 of PostgREST. */
function isAboutThisQuestion (status: number, sqlstate: string | null): boolean {
  if (status < 500) return status !== TOO_MANY_REQUESTS
  return sqlstate !== null && !isTrouble(sqlstate)
}
