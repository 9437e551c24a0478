import { mapKinds, type ByKind } from '../../kinds.js'
import { AccessError } from '../access-error.js'
import type { Asked, Authorizer, Visible } from '../authorizer.js'
import type { Identity } from '../../tokens/identity.js'
import type { Clocks } from '../positive-cache.js'
import { CHANGED, checkRows } from './check.js'
import type { PgConnection } from './connection.js'
import { createPostgresPool } from './pool.js'
import { readOptionNames } from './read-option-names.js'
import { readDatabaseUrl } from './read-url.js'
import { inspectSafeguards, type Inspection } from './safeguards.js'
import { parseQualifiedName } from '../qualified-name.js'
import type { Deadline } from '../asker.js'
import { createRemoteAuthorizer } from '../remote-authorizer.js'

export interface PostgresAccessSettings {
  /** `postgres://login:password@host:port/database?sslmode=verify-full`; a transaction pooler will do. */
  readonly url: string
  /** The database role that checks run as; the token never chooses it. */
  readonly role: string
  /** Each as `schema.table`, with a column `id`. */
  readonly relations: ByKind<string>
  /** Connections at most. */
  readonly poolSize: number
  /** From the call to the answer, in ms: waiting, connecting and asking. */
  readonly checkTimeoutMs: number
  /** How long a positive answer is believed, in ms: 0 to 5000. */
  readonly cacheMs: number
  /** Hears a sentence for operators when something begins, after the start, that they should look at. */
  readonly onNote?: (sentence: string) => void
}

/** An authorizer that looks at its database before it serves. */
export interface PostgresAuthorizer extends Authorizer {
  /**
   * Opens a connection and inspects it. Rejects with `UnsafeDatabaseError`, which names every fault at once, when the
   * database would not protect its rows, and with `AccessError` when it does not answer. Each later connection is
   * inspected in the same way before its first use. Resolves with what operators should look at.
   */
  start (): Promise<readonly string[]>
}

/** How long a connection lives, in ms: then its successor is inspected anew. */
const MAX_AGE_MS = 300_000
/** Of the time that is left for a check, the server has this share. */
const SHARE_OF_SERVER = 0.9

/**
 * Makes the authorizer that lets Row Level Security decide: one read-only transaction as the user for each check.
 * Throws when the address or a table's name cannot be read.
 */
export function createPostgresAuthorizer (settings: PostgresAccessSettings, clocks: Clocks): PostgresAuthorizer {
  const { url, role, poolSize, checkTimeoutMs, cacheMs, onNote = () => {} } = settings
  const address = readDatabaseUrl(url)
  const startup = readOptionNames(address.startup['options'] ?? '')
  const seenSecured = new Set<string>()
  const guarded = { role, startup, seenSecured, ...mapKinds(({ claim }) => parseQualifiedName(settings.relations[claim])) }
  /** Notes of the last inspection: each is told when it begins. */
  let told: ReadonlySet<string> = new Set()
  let isStarting = false

  async function inspectAndTell (connection: PgConnection): Promise<Inspection> {
    const inspection = await inspectSafeguards(connection, guarded)
    const begun = inspection.notes.filter(note => !told.has(note))
    told = new Set(inspection.notes)
    // A start hands its notes out by itself.
    if (!isStarting) for (const note of begun) onNote(note)
    return inspection
  }

  const pool = createPostgresPool<Inspection>({
    address,
    inspect: inspectAndTell,
    maxAgeMs: MAX_AGE_MS,
    now: clocks.now
  })

  async function ask (identity: Identity, _token: string, asked: Asked, { signal, remainingMs }: Deadline): Promise<Visible> {
    const answer = await pool.use(signal, async (connection, inspection, inspectAgain) => {
      // The server gives up first: then the connection is still good, and nothing goes on behind it.
      const timeoutMs = remainingMs() * SHARE_OF_SERVER
      const request = { identity, asked, guarded, inspection, timeoutMs }
      const first = await checkRows(connection, request)
      return first === CHANGED ? await checkRows(connection, { ...request, inspection: await inspectAgain() }) : first
    })
    if (answer === CHANGED) throw new AccessError('changed', 'the database was changed twice during one check', { answered: true })
    if (answer instanceof AccessError) throw answer
    return answer
  }

  const inspect = async (): Promise<Inspection> =>
    await pool.use(AbortSignal.timeout(checkTimeoutMs), async (_connection, _inspection, inspectAgain) => await inspectAgain())
  const authorizer = createRemoteAuthorizer({
    ask, probe: inspect, close: () => pool.close(), places: poolSize, checkTimeoutMs, lingerMs: 0, cacheMs, clocks
  })
  return {
    ...authorizer,
    async start () {
      isStarting = true
      try {
        return (await inspect()).notes
      } catch (error) {
        told = new Set()
        throw error
      } finally {
        isStarting = false
      }
    }
  }
}
