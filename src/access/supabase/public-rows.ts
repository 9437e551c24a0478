import { AccessError } from '../access-error.js'
import type { QualifiedName } from '../qualified-name.js'
import type { PostgrestRows, ReadIds } from './postgrest-client.js'
import { describeGiven, describeShown, describeUnclear, describeUnseen } from './public-rows-words.js'

/** How one check asks PostgREST. */
export interface Asking {
  readonly readIds: ReadIds
  readonly signal: AbortSignal
}

/** What the anon key, which is in every web page of a project and names no user, sees of its tables. */
export interface PublicRows {
  /**
   * The ids that the anon key does not see, in their order. All of them where the key may not ask, and of a table that is public.
   * Rejects with `AccessError` when there is no clear answer: what a proxy answers in PostgREST's place says nothing of the rows.
   */
  keepPrivate (table: QualifiedName, ids: readonly string[], asking: Asking): Promise<readonly string[]>
  /**
   * Looks at a table, and notes what it shows. Resolves with a sentence for operators where rows are seen, where the key may not ask, and
   * where the answer is not clear; null: it sees none. Rejects with `AccessError` where there is no answer at all.
   */
  look (table: QualifiedName, asking: Asking): Promise<string | null>
  /** The same, but notes nothing, and rejects where the answer is not clear. */
  describe (table: QualifiedName, asking: Asking): Promise<string | null>
}

export interface PublicRowsOptions {
  readonly anonKey: string
  /**
   * Whether a table of which the key sees rows at the first look is taken for one that is public on purpose. Until there has been a
   * clear answer, none of its own costs a user anything.
   */
  readonly takesFirstLook: boolean
  /** Pieces that one request can name, and the filter in PostgREST's form that names all ids of a piece. */
  readonly chunk: (ids: readonly string[]) => ReadonlyArray<readonly string[]>
  readonly filterOf: (ids: readonly string[]) => string
  /** Hears a sentence for operators each time that ids were not kept, and once when the key begins to see rows, or not to see clearly. */
  readonly onShown: (sentence: string) => void
}

/**
 * What is held of a table. `public`: the first look of all showed rows, and no look since showed none. `unclear`: there was an answer,
 * and never a clear one; rows that are seen later are not public on purpose. `private`: some look was clear and showed none, or it
 * is what is left; it stays so in this process, so that row security that goes off is seen.
 */
type Standing = 'public' | 'unclear' | 'private'

/** What an answer to the key shows: rows, or whose refusal and in which words. */
type Sight = { readonly rows: PostgrestRows } | { readonly refusedBy: 'database' | 'postgrest', readonly said: string }

/** The ids that the key sees, and a sentence where it was refused. */
interface Shown {
  readonly ids: readonly string[]
  readonly refusal: string | null
}

/**
 * PostgREST itself refuses the key: it does not take the token, lets nobody in without one, or may not take the role that the
 * token names. Its own codes say so; a bare 401 or 403 may be of anything on the way.
 */
const KEY_REFUSED = /^401 (?:PGRST30[0-3]|22023)$/
const DENIED: Sight = { refusedBy: 'database', said: '42501' }

const isAnswer = (error: unknown): error is AccessError => error instanceof AccessError && error.answered
const showsRows = (sight: Sight): boolean => 'rows' in sight && sight.rows.ids.length > 0

/**
 * Makes it. PostgREST does not tell whether row security is on. But where it is off, everybody sees every row, and so does the
 * anon key: a row that this key alone sees is no proof of its user's right. One row may be public for other reasons, as its owner
 * can often make it so; so each row is judged by itself, with each answer, and no user can end what others were given.
 */
export function createPublicRows (options: PublicRowsOptions): PublicRows {
  return new AnonRows(options)
}

class AnonRows implements PublicRows {
  private readonly standings = new Map<QualifiedName, Standing>()
  /** What is known of a table now, and was told. */
  private readonly told = new Map<QualifiedName, string | null>()

  constructor (private readonly options: PublicRowsOptions) {}

  async keepPrivate (table: QualifiedName, ids: readonly string[], asking: Asking): Promise<readonly string[]> {
    if (ids.length === 0) return ids
    if (this.options.takesFirstLook && (this.standings.get(table) ?? 'public') === 'public') {
      this.tell(table, await this.lookAt(table, asking))
      if (this.standings.get(table) === 'public') return ids
    }
    try {
      return await this.judge(table, ids, asking)
    } catch (error) {
      if (!isAnswer(error)) throw error
      const isGiven = this.standings.get(table) === 'unclear'
      this.tell(table, describeUnclear(table, isGiven, error.message))
      if (!isGiven) throw error
      return ids
    }
  }

  async look (table: QualifiedName, asking: Asking): Promise<string | null> {
    const sentence = await this.lookAt(table, asking)
    this.told.set(table, sentence)
    return sentence
  }

  async describe (table: QualifiedName, asking: Asking): Promise<string | null> {
    return this.describeSight(table, await this.see(table, 'limit=1', asking))
  }

  private async see (table: QualifiedName, filter: string, { readIds, signal }: Asking, counted = false): Promise<Sight> {
    try {
      const rows = await readIds({ table, filter, token: this.options.anonKey, counted, signal })
      if (rows === null) throw new AccessError('bad_answer', 'PostgREST did not take ids that it had sent', { answered: true })
      return rows.denied ? DENIED : { rows }
    } catch (error) {
      if (error instanceof AccessError && KEY_REFUSED.test(error.code ?? '')) return { refusedBy: 'postgrest', said: error.code ?? '' }
      throw error
    }
  }

  private describeSight (table: QualifiedName, sight: Sight): string | null {
    if ('refusedBy' in sight) return describeUnseen(table, sight.refusedBy === 'database', sight.said)
    if (!showsRows(sight)) return null
    return this.options.takesFirstLook && (this.standings.get(table) ?? 'public') === 'public' ? describeGiven(table) : describeShown(table)
  }

  /** A refusal of the key itself says nothing of this table: what was public stays so. */
  private settle (table: QualifiedName, sight: Sight): void {
    const before = this.standings.get(table)
    if (showsRows(sight)) this.standings.set(table, before ?? (this.options.takesFirstLook ? 'public' : 'private'))
    else if (before !== 'public' || 'rows' in sight || sight.refusedBy === 'database') this.standings.set(table, 'private')
  }

  private tell (table: QualifiedName, sentence: string | null): void {
    if (sentence !== null && sentence !== this.told.get(table)) this.options.onShown(sentence)
    this.told.set(table, sentence)
  }

  private async lookAt (table: QualifiedName, asking: Asking): Promise<string | null> {
    try {
      const sight = await this.see(table, 'limit=1', asking)
      if (this.standings.get(table) === 'unclear') this.standings.set(table, 'private')
      const sentence = this.describeSight(table, sight)
      this.settle(table, sight)
      return sentence
    } catch (error) {
      if (!isAnswer(error)) throw error
      if (!this.standings.has(table)) this.standings.set(table, this.options.takesFirstLook ? 'unclear' : 'private')
      return describeUnclear(table, this.standings.get(table) !== 'private', error.message)
    }
  }

  /** Those of the ids that the key sees: all of them, also where a project returns fewer rows than match. */
  private async findShown (table: QualifiedName, ids: readonly string[], asking: Asking): Promise<Shown> {
    const shown = new Set<string>()
    for (let rest = ids; rest.length > 0;) {
      const sight = await this.see(table, this.options.filterOf(rest), asking, true)
      if ('refusedBy' in sight) return { ids: [...shown], refusal: this.describeSight(table, sight) }
      for (const id of sight.rows.ids) shown.add(id)
      if (sight.rows.ids.length === 0 || sight.rows.total === sight.rows.ids.length) break
      rest = rest.filter(id => !shown.has(id))
    }
    return { ids: [...shown], refusal: null }
  }

  private async judge (table: QualifiedName, ids: readonly string[], asking: Asking): Promise<readonly string[]> {
    const answers = await Promise.all(this.options.chunk(ids).map(async piece => await this.findShown(table, piece, asking)))
    this.standings.set(table, 'private')
    this.tell(table, answers.find(({ refusal }) => refusal !== null)?.refusal ?? null)
    const shown = new Set(answers.flatMap(answer => answer.ids))
    const kept = ids.filter(id => !shown.has(id))
    if (kept.length < ids.length) this.options.onShown(describeShown(table))
    return kept
  }
}
