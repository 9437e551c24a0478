import { KINDS, mapKinds, type ByKind } from '../../kinds.js'
import type { Identity } from '../../tokens/identity.js'
import { AccessError } from '../access-error.js'
import type { Asked, Authorizer, Visible } from '../authorizer.js'
import { fitsShape, type IdShape } from '../id-shapes.js'
import type { Clocks } from '../positive-cache.js'
import { createPostgrestClient, type PostgrestRequest, type PostgrestRows } from './postgrest-client.js'
import { createPublicRows, type PublicRows } from './public-rows.js'
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
   * Where none is named, see `takesFirstLook` in public-rows.ts.
   */
  readonly publicTables: readonly string[]
  /** Hears a sentence for operators each time that rows were not given because the anon key sees them. */
  readonly onShown: (sentence: string) => void
}

/** Checks that ask PostgREST at once; each has two requests open at most. */
const MAX_CHECKS = 32
/** Supabase returns at most 1000 rows by default, a project may set less: a chunk stays below what is usual. */
const IDS_PER_REQUEST = 100
/** Proxies commonly take a request line of 8 KB. */
const MAX_FILTER_CHARS = 6000
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

async function list (readIds: PostgrestClient, table: QualifiedName, token: string, signal: AbortSignal): Promise<readonly string[]> {
  const ids: string[] = []
  // Where the project returns fewer rows than were asked for, the count tells, and the list goes on: it is never cut.
  for (let total = Infinity; ids.length < Math.min(total, LIST_LIMIT);) {
    const filter = `order=id.asc&limit=${LIST_LIMIT - ids.length}&offset=${ids.length}`
    const page: PostgrestRows | null = await readIds({ table, filter, token, counted: true, signal })
    if (page === null || page.total === null) throw new AccessError('bad_answer', 'PostgREST did not count the rows', { answered: true })
    if (page.ids.length === 0) break
    ids.push(...page.ids)
    total = page.total
  }
  return ids
}

/** Asks for no row, as nobody: any answer of PostgREST and its database will do. */
async function probe (
  readIds: PostgrestClient, table: QualifiedName, { anonKey, checkTimeoutMs }: SupabaseAccessSettings
): Promise<void> {
  const request = { table, filter: 'limit=0', token: anonKey, counted: false, signal: AbortSignal.timeout(checkTimeoutMs) }
  await readIds(request).catch((error: unknown) => { if (!(error instanceof AccessError && error.answered)) throw error })
}

/** Null when one of the ids cannot be in the column. */
async function pick (
  readIds: PostgrestClient, table: QualifiedName, ids: readonly string[], { token, signal }: Pick<PostgrestRequest, 'token' | 'signal'>
): Promise<readonly string[] | null> {
  const found: string[] = []
  for (const filter of describeChunks(ids)) {
    const page = await readIds({ table, filter, token, counted: false, signal })
    if (page === null) return null
    found.push(...page.ids)
  }
  return found
}

/**
 * Makes the authorizer that asks PostgREST with the user's own token: role and claims are set there, and Row Level
 * Security decides. A token that PostgREST does not take rejects, as does everything else that is no clear answer.
 */
export function createSupabaseAuthorizer (settings: SupabaseAccessSettings, clocks: Clocks): SupabaseAuthorizer {
  const { checkTimeoutMs, cacheMs, relations, publicTables } = settings
  const isPublic = mapKinds(({ claim }) => publicTables.includes(relations[claim]))
  const tables = mapKinds(({ claim }) => parseQualifiedName(settings.relations[claim]))
  const readIds = createPostgrestClient(settings)
  const shownToNobody = composePublicRows(settings, readIds)

  /**
   * One id that is no uuid fails the request for all of them, and nothing tells the column's type beforehand: then only
   * the ids of each stricter form are asked for. What worked is not kept in mind for others: a policy that stumbles over
   * one user's claims answers with the same code.
   */
  async function find (table: QualifiedName, ids: readonly string[], token: string, signal: AbortSignal): Promise<readonly string[]> {
    let tried = ids.length + 1
    for (const shape of SHAPES) {
      const fitting = ids.filter((id) => fitsShape(shape, id))
      // Each form of number is a part of the one before: as many are the same ones.
      if (fitting.length === 0 || fitting.length === tried) continue
      tried = fitting.length
      const found = await pick(readIds, table, fitting, { token, signal })
      if (found !== null) return found
    }
    return []
  }

  async function ask (_identity: Identity, token: string, asked: Asked, { signal }: Deadline): Promise<Visible> {
    const answers = new Map(await Promise.all(KINDS.map(async ({ claim }) => {
      const [table, ids] = [tables[claim], asked[claim]]
      const found = ids === '*' ? await list(readIds, table, token, signal) : await find(table, ids, token, signal)
      // After the user's question: row security that goes off between the two costs an answer, and shows no row.
      return [claim, isPublic[claim] ? found : await shownToNobody.keepPrivate(table, found, signal)] as const
    })))
    return mapKinds(({ claim }) => answers.get(claim) ?? [])
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
      const sentences = await Promise.all(KINDS.map(async ({ claim }) => isPublic[claim]
        ? `SUPABASE_PUBLIC_TABLES names ${relations[claim]}: row level security that is switched off there stays unseen`
        : await shownToNobody.describe(tables[claim], signal)))
      return sentences.filter(sentence => sentence !== null)
    }
  }
}

/** What the anon key sees of a project: for its authorizer, and for a look at it beforehand. */
export function composePublicRows (
  { anonKey, publicTables, onShown }: Pick<SupabaseAccessSettings, 'anonKey' | 'publicTables' | 'onShown'>, readIds: PostgrestClient
): PublicRows {
  // Who names some has said of all.
  return createPublicRows({ readIds, anonKey, takesFirstLook: publicTables.length === 0, onShown, filtersOf: describeChunks })
}

/** `id=in.(…)` filters of bounded length. Every id is quoted, as a comma, dot, colon or parenthesis has a meaning there. */
function describeChunks (ids: readonly string[]): string[] {
  const chunks: string[][] = []
  let chars = Infinity
  for (const id of ids) {
    const quoted = encodeURIComponent(`"${id.replace(/["\\]/g, '\\$&')}"`)
    const last = chunks.at(-1)
    chars += quoted.length + 1
    if (last === undefined || last.length >= IDS_PER_REQUEST || chars > MAX_FILTER_CHARS) {
      chunks.push([quoted])
      chars = quoted.length
    } else {
      last.push(quoted)
    }
  }
  return chunks.map((chunk) => `id=in.(${chunk.join(',')})`)
}
