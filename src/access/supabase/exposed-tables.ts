import { AccessError } from '../access-error.js'
import type { AccessCause } from '../causes.js'
import type { QualifiedName } from '../qualified-name.js'
import type { ReadIds } from './postgrest-client.js'

/**
 * Looks what the anon key, which is nobody's, sees of a table: a sentence for operators when it sees rows, null when none.
 * PostgREST does not tell whether row security is on; this is how it looks from outside when it is off, or when a policy
 * shows rows to everybody. Rejects with `AccessError`.
 */
export async function describeExposed (
  readIds: ReadIds, table: QualifiedName, anonKey: string, signal: AbortSignal
): Promise<string | null> {
  const rows = await readIds({ table, filter: 'limit=1', token: anonKey, counted: false, signal })
  if (rows === null || rows.ids.length === 0) return null
  return `the anon key alone sees rows of ${table.schema}.${table.name}: row level security is off there, or a policy shows them to everybody`
}

/** Answers by which the key was not let ask at all. Any other error is of a question that was given up, and says nothing of the rows. */
const MAY_NOT_ASK: ReadonlySet<AccessCause> = new Set<AccessCause>(['denied', 'missing', 'token_refused', 'http_status'])

/** The same where a table that the key may not ask is a good answer. Rejects with `AccessError` when there is no answer. */
export async function describeIfExposed (
  readIds: ReadIds, table: QualifiedName, anonKey: string, signal: AbortSignal
): Promise<string | null> {
  try {
    return await describeExposed(readIds, table, anonKey, signal)
  } catch (error) {
    if (error instanceof AccessError && error.answered && MAY_NOT_ASK.has(error.reason)) return null
    throw error
  }
}
