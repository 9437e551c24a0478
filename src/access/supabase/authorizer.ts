import { KINDS, mapKinds, type ByKind, type Kind } from '../../kinds.js'
import type { Identity } from '../../tokens/identity.js'
import { AccessError } from '../access-error.js'
import type { Asked, Authorizer, Visible } from '../authorizer.js'
import { confirm } from '../confirm.js'
import { fitsShape, ID_PATTERN, isId, type IdShape } from '../id-shapes.js'
import type { Clocks } from '../positive-cache.js'
import { chunkIds, filterOf } from './id-filters.js'
import { limitRequests } from './limit-requests.js'
import { createPostgrestClient, TOO_MUCH, type PostgrestRows } from './postgrest-client.js'
import { createPublicRows, type Asking, type PublicRows } from './public-rows.js'
import { parseQualifiedName, type QualifiedName } from '../qualified-name.js'
import type { Deadline } from '../asker.js'
import { createRemoteAuthorizer, LIST_LIMIT } from '../remote-authorizer.js'

export interface SupabaseAccessSettings {
  /** The project's URL, without `/rest/v1`. */
  readonly url: string
  readonly anonKey: string
  /** Each as `schema.table`, with a column `id`; the schema must be one that the project exposes. */
  readonly relations: ByKind<string>
  /** From the call to the answer, in ms. */
  readonly checkTimeoutMs: number
  /** How long a positive answer is believed, in ms: 0 to 5000. */
  readonly cacheMs: number
  /**
   * Those of the relations, as they are written there, whose rows everybody may see on purpose: the anon key is not asked about them.
   * `none` says that none is; where there is no word at all, see `takesFirstLook` in public-rows.ts.
   */
  readonly publicTables: readonly string[]
  /** Hears a sentence for operators each time that rows were not given because the anon key sees them, and when it begins to see less. */
  readonly onShown: (sentence: string) => void
}

/** Checks that ask PostgREST at once. */
const MAX_CHECKS = 32
/** Requests that one check has open at once. */
const MAX_REQUESTS = 4
const SHAPES: readonly IdShape[] = ['text', 'uuid', 'bigint', 'integer', 'smallint']

/** An authorizer that gives no row that its project shows to nobody in particular. */
export interface SupabaseAuthorizer extends Authorizer {
  /**
   * Resolves with what operators should look at. Rejects with `AccessError` when the project does not answer: nothing else
   * depends on it.
   */
  start (): Promise<readonly string[]>
}

type PostgrestClient = ReturnType<typeof createPostgrestClient>

/** How one user's check asks PostgREST. */
interface UserAsking extends Asking {
  readonly token: string
}

/** `only`: a filter, encoded, or nothing. */
async function listRows ({ readIds, token, signal }: UserAsking, table: QualifiedName, only: string): Promise<readonly string[]> {
  const ids: string[] = []
  // Where the project returns fewer rows than were asked for, the count tells, and the list goes on: it is never cut.
  for (let total = Infinity; ids.length < Math.min(total, LIST_LIMIT);) {
    const filter = `${only}order=id.asc&limit=${LIST_LIMIT - ids.length}&offset=${ids.length}`
    const page: PostgrestRows | null = await readIds({ table, filter, token, counted: true, signal })
    if (page === null || page.total === null) throw new AccessError('bad_answer', 'PostgREST did not count the rows', { answered: true })
    if (page.ids.length === 0) break
    ids.push(...page.ids)
    total = page.total
  }
  return ids
}

/**
 * Anybody may have put rows into a shared table whose ids no client can ask for: many, or one of a megabyte. They must not crowd out
 * the others. Only a column of text can hold such an id, and only there PostgREST knows a pattern.
 */
async function list (asking: UserAsking, table: QualifiedName): Promise<readonly string[]> {
  const all = await listRows(asking, table, '').catch((error: unknown) => {
    if (error instanceof AccessError && error.code === TOO_MUCH) return null
    throw error
  })
  const isCut = all === null || (all.length >= LIST_LIMIT && !all.every(isId))
  return isCut ? await listRows(asking, table, `id=match.${encodeURIComponent(ID_PATTERN)}&`) : all
}

/** Asks for no row, as nobody: any answer of PostgREST and its database will do. */
async function probe (
  readIds: PostgrestClient, table: QualifiedName, { anonKey, checkTimeoutMs }: SupabaseAccessSettings
): Promise<void> {
  const request = { table, filter: 'limit=0', token: anonKey, counted: false, signal: AbortSignal.timeout(checkTimeoutMs) }
  await readIds(request).catch((error: unknown) => { if (!(error instanceof AccessError && error.answered)) throw error })
}

/** Null when one of the ids cannot be in the column. */
async function pick (asking: UserAsking, table: QualifiedName, ids: readonly string[]): Promise<readonly string[] | null> {
  const { readIds, token, signal } = asking
  const requests = chunkIds(ids).map(piece => ({ table, filter: filterOf(piece), token, counted: false, signal }))
  const pages = await Promise.all(requests.map(readIds))
  return pages.some(page => page === null) ? null : pages.flatMap(page => page?.ids ?? [])
}

/**
 * One id that is no uuid fails the request for all of them, and nothing tells the column's type beforehand: then only
 * the ids of each stricter form are asked for. What worked is not kept in mind for others: a policy that stumbles over
 * one user's claims answers with the same code.
 */
async function find (asking: UserAsking, table: QualifiedName, ids: readonly string[]): Promise<readonly string[]> {
  let tried = ids.length + 1
  for (const shape of SHAPES) {
    const fitting = ids.filter((id) => fitsShape(shape, id))
    // Each form of number is a part of the one before: as many are the same ones.
    if (fitting.length === 0 || fitting.length === tried) continue
    tried = fitting.length
    const found = await pick(asking, table, fitting)
    if (found !== null) return found
  }
  return []
}

/**
 * Makes the authorizer that asks PostgREST with the user's own token: role and claims are set there, and Row Level
 * Security decides. A token that PostgREST does not take rejects, as does everything else that is no clear answer.
 */
export function createSupabaseAuthorizer (settings: SupabaseAccessSettings, clocks: Clocks): SupabaseAuthorizer {
  const { checkTimeoutMs, cacheMs, relations, publicTables, onShown } = settings
  const isPublic = mapKinds(({ claim }) => publicTables.includes(relations[claim]))
  const tables = mapKinds(({ claim }) => parseQualifiedName(settings.relations[claim]))
  const readIds = createPostgrestClient(settings)
  const shownToNobody = composePublicRows(settings)

  async function askFor (asking: UserAsking, { claim }: Kind, ids: readonly string[] | '*'): Promise<readonly string[]> {
    const table = tables[claim]
    // What nobody could subscribe to is no matter of the anon key's either: one row with such an id costs nobody else anything.
    const found = confirm(ids, ids === '*' ? await list(asking, table) : await find(asking, table, ids))
    // After the user's question: row security that goes off between the two costs an answer, and shows no row.
    return isPublic[claim] ? found : await shownToNobody.keepPrivate(table, found, asking)
  }

  async function ask (_identity: Identity, token: string, asked: Asked, { signal }: Deadline): Promise<Visible> {
    // With the first request that fails the check has failed: its others end.
    const failed = new AbortController()
    const asking = { readIds: limitRequests(readIds, MAX_REQUESTS), token, signal: AbortSignal.any([signal, failed.signal]) }
    try {
      const found = KINDS.map(async kind => [kind.claim, await askFor(asking, kind, asked[kind.claim])] as const)
      const answers = new Map(await Promise.all(found))
      return mapKinds(({ claim }) => answers.get(claim) ?? [])
    } catch (error) {
      failed.abort()
      throw error
    }
  }

  const closing = new AbortController()
  const authorizer = createRemoteAuthorizer({
    ask,
    probe: async () => { await probe(readIds, tables[KINDS[0].claim], settings) },
    close () {
      closing.abort()
      return Promise.resolve()
    },
    places: MAX_CHECKS,
    checkTimeoutMs,
    lingerMs: checkTimeoutMs,
    cacheMs,
    clocks
  })
  return {
    ...authorizer,
    async start () {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(checkTimeoutMs)])
      const looks = await Promise.allSettled(KINDS.map(async ({ claim }) => isPublic[claim]
        ? `SUPABASE_PUBLIC_TABLES names ${relations[claim]}: row level security that is switched off there stays unseen`
        : await shownToNobody.look(tables[claim], { readIds, signal })))
      const sentences = looks.flatMap(look => look.status === 'fulfilled' && look.value !== null ? [look.value] : [])
      const lost = looks.find(look => look.status === 'rejected')
      if (lost === undefined) return sentences
      // What one table showed is told also where there is no answer about another.
      for (const sentence of sentences) onShown(sentence)
      throw lost.reason
    }
  }
}

/** What the anon key sees of a project: for its authorizer, and for a look at it beforehand. */
export function composePublicRows ({ anonKey, publicTables, onShown }: Pick<SupabaseAccessSettings, 'anonKey' | 'publicTables' | 'onShown'>): PublicRows {
  // Who names some, or says that there is none, has said of all.
  return createPublicRows({ anonKey, takesFirstLook: publicTables.length === 0, onShown, chunk: chunkIds, filterOf })
}
