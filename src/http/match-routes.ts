import type { IncomingHttpHeaders } from 'node:http'
import type { AdminAnswer } from './answers.js'
import type { BodyReading } from './read-json-body.js'

export interface AdminRequest {
  /** The decoded `:name` segments of the route's path. */
  readonly params: ReadonlyMap<string, string>
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** The peer's address as the socket gives it. */
  readonly peer: string
  /** Reads the body as JSON, up to `maxBytes`; a failure is the answer to send. */
  readJson (maxBytes: number): Promise<BodyReading>
}

/** One endpoint. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Segments after `/`; `:name` takes any one segment. */
  readonly path: string
  /** `bearer`: needs the admin secret. `open`: the route itself checks what it must. */
  readonly access: 'open' | 'bearer'
  handle (request: AdminRequest): AdminAnswer | Promise<AdminAnswer>
}

export interface RouteMatch {
  /** Every route of this path, whatever its method. Empty: no such path. */
  readonly routes: readonly AdminRoute[]
  readonly params: ReadonlyMap<string, string>
}

/** Finds the routes of a path. Null: a segment is not valid percent-encoding. */
export function matchRoutes (routes: readonly AdminRoute[], path: string): RouteMatch | null {
  const segments = decodeSegments(path)
  if (segments === null) return null
  const matching = routes.filter((route) => matchesPath(route, segments))
  const names = matching[0]?.path.split('/') ?? []
  const params = new Map(names.flatMap((name, index): Array<[string, string]> =>
    name.startsWith(':') ? [[name.slice(1), segments[index] ?? '']] : []))
  return { routes: matching, params }
}

function matchesPath (route: AdminRoute, segments: readonly string[]): boolean {
  const wanted = route.path.split('/')
  return wanted.length === segments.length &&
    wanted.every((name, index) => name === segments[index] || (name.startsWith(':') && segments[index] !== ''))
}

/** Splits first and decodes then, so that an encoded `/` stays inside its segment. */
function decodeSegments (path: string): string[] | null {
  try {
    return path.split('/').map(decodeURIComponent)
  } catch {
    return null
  }
}
