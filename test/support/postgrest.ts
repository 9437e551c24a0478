import type { KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createVerifier } from 'fast-jwt'
import postgres from 'postgres'
import type { Test } from 'tap'

/** A project's HTTP interface as far as an authorizer sees it: PostgREST's behaviour over a real database. */
export interface TestPostgrest {
  /** The project's base URL; `/rest/v1` is beneath it. */
  readonly url: string
  readonly anonKey: string
  /** The requests so far: path with query, in order. */
  readonly requests: readonly string[]
  /** Answers every request with this instead, until it is null again. */
  answerWith (answer: Answer | 'hang' | null): void
  /** The same for the requests of the anon key only. */
  answerAnonWith (answer: Answer | 'hang' | null): void
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
}

export interface PostgrestOptions {
  /** The login role that may take the roles of tokens: `authenticator` on Supabase. */
  readonly databaseUrl: string
  /** The key that tokens are verified with: a public one, or the text of a shared one. */
  readonly key: string | KeyObject
  /** PostgREST's `db-max-rows`. */
  readonly maxRows?: number
}

interface RowRequest {
  readonly schema: string
  readonly table: string
  readonly ids: readonly string[] | null
  /** A regular expression that ids have to match. */
  readonly pattern: string | null
  readonly limit: number
  readonly offset: number
  readonly counted: boolean
}

const ANON_KEY = 'anon-key-of-the-tests'
const NAME = /^[a-z_][a-z0-9_]*$/

/** Reads `in.("a","b")`: quotes are optional, a backslash escapes. */
function readList (filter: string): string[] {
  const inside = /^in\.\((.*)\)$/.exec(filter)?.[1]
  if (inside === undefined) throw new Error(`unexpected filter ${filter}`)
  return [...inside.matchAll(/"((?:[^"\\]|\\.)*)"|[^,"]+/g)].map(([whole, quoted]) => quoted?.replace(/\\(.)/g, '$1') ?? whole)
}

function readRequest (request: IncomingMessage, maxRows: number): RowRequest {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const query = url.searchParams
  const table = /^\/rest\/v1\/([^/]+)$/.exec(url.pathname)?.[1] ?? ''
  const schema = String(request.headers['accept-profile'] ?? 'public')
  if (!NAME.test(table) || !NAME.test(schema) || query.get('select') !== 'id::text') throw new Error('unexpected request')
  const filter = query.get('id')
  const pattern = /^match\.(.*)$/.exec(filter ?? '')?.[1] ?? null
  return {
    schema,
    table,
    ids: filter === null || pattern !== null ? null : readList(filter),
    pattern,
    limit: Math.min(maxRows, Number(query.get('limit') ?? maxRows)),
    offset: Number(query.get('offset') ?? 0),
    counted: request.headers.prefer === 'count=exact'
  }
}

async function readRows (sql: postgres.Sql, claims: Record<string, unknown>, request: RowRequest): Promise<Answer> {
  const { ids, pattern, limit, offset } = request
  return await sql.begin('read only', async (check) => {
    await check`select set_config('role', ${String(claims['role'] ?? 'anon')}, true), set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`
    const from = `from "${request.schema}"."${request.table}"${ids !== null ? ' where id = any ($1)' : pattern !== null ? ' where id ~ $1' : ''}`
    const parameters = ids !== null ? [`{${ids.map((id) => JSON.stringify(id)).join(',')}}`] : pattern !== null ? [pattern] : []
    const rows = await check.unsafe(`select id::text ${from} order by id limit ${limit} offset ${offset}`, parameters)
    const [counted] = request.counted ? await check.unsafe(`select count(*)::text as total ${from}`, parameters) : []
    const total = counted === undefined ? '*' : String(counted['total'])
    const range = rows.length === 0 ? '*' : `${offset}-${offset + rows.length - 1}`
    const status = counted === undefined || offset + rows.length >= Number(total) ? 200 : 206
    return { status, headers: { 'content-range': `${range}/${total}` }, body: JSON.stringify(rows) }
  })
}

function refuse (status: number, code: string, message: string): Answer {
  return { status, body: JSON.stringify({ code, message, details: null, hint: null }) }
}

/** PostgREST's table of SQLSTATE and HTTP status, as far as the tests meet it. */
function describeError (error: unknown, isAnonymous: boolean): Answer {
  if (!(error instanceof postgres.PostgresError)) return refuse(503, 'PGRST000', 'Database connection error')
  const { code, message } = error
  if (code === '42501') return refuse(isAnonymous ? 401 : 403, code, message)
  if (code === '22023' && /^role .* does not exist$/.test(message)) return refuse(401, code, message)
  if (code === '42P01') return refuse(404, code, message)
  return refuse(code.startsWith('57') || code.startsWith('XX') ? 500 : 400, code, message)
}

/** Starts it on a free port; ended at the test's teardown. */
export async function startPostgrest (t: Test, { databaseUrl, key, maxRows = 1000 }: PostgrestOptions): Promise<TestPostgrest> {
  const sql = postgres(databaseUrl, { max: 4, fetch_types: false, onnotice: () => {} })
  const verify = createVerifier({ key: typeof key === 'string' ? key : key.export({ type: 'spki', format: 'pem' }) })
  const requests: string[] = []
  let fixed: Answer | 'hang' | null = null
  let fixedForAnon: Answer | 'hang' | null = null

  async function answer (request: IncomingMessage): Promise<Answer> {
    if (request.headers.apikey !== ANON_KEY) return { status: 401, body: '{"message":"Invalid API key"}' }
    let claims: Record<string, unknown>
    try {
      const token = String(request.headers.authorization).replace(/^Bearer /, '')
      // A project's anon key is a token of its own, for this role.
      claims = token === ANON_KEY ? { role: 'anon' } : verify(token) as Record<string, unknown>
    } catch {
      return refuse(401, 'PGRST301', 'JWSError JWSInvalidSignature')
    }
    try {
      return await readRows(sql, claims, readRequest(request, maxRows))
    } catch (error) {
      return describeError(error, claims['role'] === 'anon')
    }
  }

  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    const given = request.headers.authorization === `Bearer ${ANON_KEY}` ? fixedForAnon ?? fixed : fixed
    if (given === 'hang') return
    void (given === null ? answer(request) : Promise.resolve(given)).then(({ status, headers = {}, body }) => {
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers }).end(body)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.closeAllConnections()
    server.close()
    await sql.end({ timeout: 1 })
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    anonKey: ANON_KEY,
    requests,
    answerWith (answer) { fixed = answer },
    answerAnonWith (answer) { fixedForAnon = answer }
  }
}
