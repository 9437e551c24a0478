import { AccessError } from '../access-error.js'
import type { QualifiedName } from '../qualified-name.js'
import type { PostgrestRows, ReadIds } from './postgrest-client.js'

/** What the anon key, which is in every web page of a project and names no user, sees of its tables. */
export interface PublicRows {
  /**
   * The ids that the anon key does not see, in their order. All of them where the key may not ask, and of a table that is public.
   * Rejects with `AccessError` when there is no clear answer: what a proxy answers in PostgREST's place says nothing of the rows.
   */
  keepPrivate (table: QualifiedName, ids: readonly string[], signal: AbortSignal): Promise<readonly string[]>
  /** A sentence for operators where rows are seen, or where the key may not ask; null: it sees none. Rejects with `AccessError`. */
  describe (table: QualifiedName, signal: AbortSignal): Promise<string | null>
}

export interface PublicRowsOptions {
  readonly readIds: ReadIds
  readonly anonKey: string
  /**
   * Whether a table of which the key sees rows at the first look is taken for one that is public on purpose. Until that look has had a
   * clear answer, none of them costs a user anything.
   */
  readonly takesFirstLook: boolean
  /** Filters of bounded length, in PostgREST's form, that name all of the ids. */
  readonly filtersOf: (ids: readonly string[]) => readonly string[]
  /** Hears a sentence for operators each time that ids were not kept, and what a first look shows that comes with an answer. */
  readonly onShown: (sentence: string) => void
}

/**
 * PostgREST itself refuses the key: it does not take the token, lets nobody in without one, or may not take the role that the
 * token names. Its own codes say so; a bare 401 or 403 may be of anything on the way.
 */
const KEY_REFUSED = /^401 (?:PGRST30[0-3]|22023)$/

const nameOf = ({ schema, name }: QualifiedName): string => `${schema}.${name}`

/** A sentence for rows that the key sees. */
function describeShown (table: QualifiedName): string {
  return `the anon key alone sees rows of ${nameOf(table)}: row level security is off there, or a policy shows them to everybody; they are given ` +
    'to nobody, unless SUPABASE_PUBLIC_TABLES says that they are public on purpose'
}

/** The same where they are given. */
function describeGiven (table: QualifiedName): string {
  return `the anon key alone sees rows of ${nameOf(table)}: row level security is off there, or a policy shows them to everybody; they are given ` +
    'all the same, as it was so at the first look: name the tables that are public on purpose in SUPABASE_PUBLIC_TABLES, and all others are private'
}

/** A sentence for a table that the key may not ask. */
function describeUnseen (table: QualifiedName): string {
  return `the anon key may not read ${nameOf(table)}: row level security that is switched off there stays unseen; ` +
    `grant select (id) on ${nameOf(table)} to anon, with no policy for it, or take WS_AUTHORIZER=postgres`
}

/**
 * Makes it. PostgREST does not tell whether row security is on. But where it is off, everybody sees every row, and so does the
 * anon key: a row that this key alone sees is no proof of its user's right. One row may be public for other reasons, as its owner
 * can often make it so; so each row is judged by itself, with each answer, and no user can end what others were given.
 */
export function createPublicRows ({ readIds, anonKey, takesFirstLook, filtersOf, onShown }: PublicRowsOptions): PublicRows {
  /** What the first look with a clear answer has shown, by table. */
  const looks = new Map<QualifiedName, 'private' | 'public'>()

  /** Null: the key may not ask. */
  async function askAsNobody (table: QualifiedName, filter: string, signal: AbortSignal): Promise<readonly string[] | null> {
    let rows: PostgrestRows | null
    try {
      rows = await readIds({ table, filter, token: anonKey, counted: false, signal })
    } catch (error) {
      if (error instanceof AccessError && KEY_REFUSED.test(error.code ?? '')) return null
      throw error
    }
    if (rows === null) throw new AccessError('bad_answer', 'PostgREST did not take ids that it had sent', { answered: true })
    return rows.denied ? null : rows.ids
  }

  async function describe (table: QualifiedName, signal: AbortSignal): Promise<string | null> {
    const ids = await askAsNobody(table, 'limit=1', signal)
    const isShown = ids !== null && ids.length > 0
    if (!looks.has(table)) looks.set(table, isShown && takesFirstLook ? 'public' : 'private')
    if (ids === null) return describeUnseen(table)
    if (!isShown) return null
    return looks.get(table) === 'public' ? describeGiven(table) : describeShown(table)
  }

  /** Whether the key is not asked about single rows. */
  async function isOpen (table: QualifiedName, signal: AbortSignal): Promise<boolean> {
    if (takesFirstLook && !looks.has(table)) {
      const sentence = await describe(table, signal).catch((error: unknown) => {
        if (!(error instanceof AccessError) || !error.answered) throw error
        return null
      })
      if (sentence !== null) onShown(sentence)
    }
    return takesFirstLook && looks.get(table) !== 'private'
  }

  async function findShown (table: QualifiedName, ids: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    const shown = new Set<string>()
    for (const filter of filtersOf(ids)) {
      for (const id of await askAsNobody(table, filter, signal) ?? []) shown.add(id)
    }
    return shown
  }

  return {
    async keepPrivate (table, ids, signal) {
      if (ids.length === 0 || await isOpen(table, signal)) return ids
      let kept = ids
      // A project may return fewer rows than match: the rest is asked for again, until none is shown.
      while (kept.length > 0) {
        const shown = await findShown(table, kept, signal)
        const rest = kept.filter(id => !shown.has(id))
        if (rest.length === kept.length) break
        kept = rest
      }
      if (kept.length < ids.length) onShown(describeShown(table))
      return kept
    },
    describe
  }
}
