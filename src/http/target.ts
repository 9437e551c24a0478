/** What a request asks for, as far as its first line says. */
export interface Target {
  readonly path: string
  /** Undecoded, without the `?`. */
  readonly query: string
}

/** Splits a target as sent: an absolute form or a stray `//` is then just an unknown path. */
export function splitTarget (target: string): Target {
  const mark = target.indexOf('?')
  return mark === -1 ? { path: target, query: '' } : { path: target.slice(0, mark), query: target.slice(mark + 1) }
}

/** The parameters of a query, decoded; of several with one name the first counts. */
export function readQuery (query: string): Readonly<Record<string, string>> {
  return query === '' ? {} : Object.fromEntries([...new URLSearchParams(query)].toReversed())
}

/** Splits a path first and decodes then, so that an encoded `/` stays inside its segment. Null: that is no valid percent-encoding. */
export function decodeSegments (path: string): readonly string[] | null {
  try {
    return path.split('/').map(decodeURIComponent)
  } catch {
    return null
  }
}

/** A named segment of a route's path; with `+`, which only the last may have, it takes all that follows too. */
const NAMED_SEGMENT = /:(\w+)(\+?)/g
const ENDS_IN_REST = /:\w+\+$/

/** A route's path with each named segment written anew, as another notation has it. */
export function rewritePath (routePath: string, rewrite: (name: string, takesRest: boolean) => string): string {
  return routePath.replace(NAMED_SEGMENT, (_, name: string, plus: string) => rewrite(name, plus !== ''))
}

/** The `:name` segments of a route's path; `:name+` at its end also takes the slashes behind. Null: the path is another one. */
export function matchPath (routePath: string, segments: readonly string[]): Readonly<Record<string, string>> | null {
  const wanted = routePath.split('/')
  const last = wanted.length - 1
  const taken = ENDS_IN_REST.test(routePath) ? [...segments.slice(0, last), segments.slice(last).join('/')] : segments
  if (wanted.length !== taken.length) return null
  const pairs = wanted.map((name, index) => ({ name, segment: taken[index] ?? '' }))
  if (!pairs.every(({ name, segment }) => name === segment || (name.startsWith(':') && segment !== ''))) return null
  return Object.fromEntries(pairs.filter(({ name }) => name.startsWith(':')).map(({ name, segment }) => [name.replace(/^:|\+$/g, ''), segment]))
}
