import { AccessError } from '../access-error.js'
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

/**
 * The same where a table that the key may not ask is a good answer. Rejects with `AccessError` when there is no answer: a
 * question that the database gave up, such as one that took too long, says nothing of what is exposed.
 */
export async function describeIfExposed (
  readIds: ReadIds, table: QualifiedName, anonKey: string, signal: AbortSignal
): Promise<string | null> {
  try {
    return await describeExposed(readIds, table, anonKey, signal)
  } catch (error) {
    if (error instanceof AccessError && error.reason === 'denied') return null
    throw error
  }
}
