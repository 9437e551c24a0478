import { AccessError } from '../../access/access-error.js'
import type { AccessFault } from '../../access/access-fault.js'
import { ACCESS_CAUSES } from '../../access/causes.js'
import { composePublicRows } from '../../access/supabase/authorizer.js'
import { createPostgrestClient } from '../../access/supabase/postgrest-client.js'
import { parseQualifiedName } from '../../access/qualified-name.js'
import { CannotStart } from '../../cannot-start.js'
import { composeAccess } from '../../gateway/access.js'
import type { Config } from '../../config/config.js'
import { andList } from '../../list-words.js'
import { askDatabase, explainAccessFault } from './ask-database.js'
import { fail, ok, warn, type Verdict } from './verdict.js'

const PART = 'database'
const TIMEOUT_MS = 5000

/** Opens a connection and inspects it, exactly as a start and every later connection do, and asks one user's question. */
async function checkPostgres (config: Config): Promise<Verdict[]> {
  const access = composeAccess(config)
  const { pgRole, relations } = config.access
  const faults: AccessFault[] = []
  try {
    const notes = await access.start((fault) => { faults.push(fault) })
    if (faults.length > 0) return faults.map(fault => fail(PART, `Postgres: ${explainAccessFault(fault)}`))
    return [
      ok(PART, `Postgres answers; row level security protects ${andList(Object.values(relations))} from the role ${pgRole}`),
      await askDatabase(access.authorizer, config),
      ...notes.map(note => warn(PART, note))
    ]
  } catch (error) {
    if (!(error instanceof CannotStart)) throw error
    return [fail(PART, error.message)]
  } finally {
    await access.authorizer.close()
  }
}

/** Reads one id of each table with the anon key alone: no rows are a good answer, as the key is nobody's. */
async function checkPostgrest (supabase: NonNullable<Config['access']['supabase']>, tables: readonly string[]): Promise<Verdict[]> {
  const publicRows = composePublicRows({ ...supabase, onShown: () => {} })
  const readIds = createPostgrestClient(supabase)
  return await Promise.all(tables.map(async (table) => {
    try {
      const exposed = await publicRows.describe(parseQualifiedName(table), { readIds, signal: AbortSignal.timeout(TIMEOUT_MS) })
      return exposed === null || supabase.publicTables.includes(table) ? ok(PART, `PostgREST answers for ${table}`) : warn(PART, exposed)
    } catch (error) {
      if (!(error instanceof AccessError)) throw error
      const { todo } = ACCESS_CAUSES[error.reason]
      return fail(PART, `${table}: ${error.message}: ${todo}; SUPABASE_URL, SUPABASE_ANON_KEY, and whether the project exposes the table's schema`)
    }
  }))
}

/** Tries the back end that decides what users may see. */
export async function checkDatabase (config: Config): Promise<Verdict[]> {
  const { authorizer, supabase, relations } = config.access
  if (authorizer === 'postgres') return await checkPostgres(config)
  if (authorizer === 'supabase' && supabase !== null) return await checkPostgrest(supabase, Object.values(relations))
  return [ok(PART, 'none: the token says what its user may see')]
}
