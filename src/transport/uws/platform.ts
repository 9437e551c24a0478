import type { Binding } from './binding.js'

/** Major releases of Node on which the suite runs with each binding. package.json's `engines` names them all. */
export const TESTED_NODES: Readonly<Record<Binding['name'], readonly number[]>> = { current: [22, 24], older: [20] }

/** What the older binding can't do, for operators: it is for development on a distribution whose C library is too old. */
export const OLDER_LACKS = 'the older binding is for development: it does not answer requests with a head over 4 KB in several reads, with more ' +
  'than 48 headers, or malformed ones, and does not tell of published events that it drops for a slow client; ' +
  'run Node 22 or 24 on glibc 2.38 or newer'

/** The C library's name and version. It is in a report that Node makes, where only glibc is named. */
function describeLibrary (): string {
  const report: { readonly header?: { readonly glibcVersionRuntime?: unknown } } | undefined = process.report?.getReport()
  const glibc = report?.header?.glibcVersionRuntime
  if (typeof glibc === 'string') return `glibc ${glibc}`
  return process.platform === 'linux' ? 'a C library that is not glibc' : process.platform
}

/**
 * Node, C library and binding of this process, in words. The C library costs some ms, and much more once there are
 * connections, as Node's report looks up their names: for a start, not for a running gateway.
 */
export function describePlatform ({ release }: Binding): string {
  return `Node ${process.version}, ${describeLibrary()}, ${release}`
}

/** Whether the suite runs on this release of Node with this binding. */
export function isTested ({ name }: Binding, nodeMajor = Number.parseInt(process.versions.node, 10)): boolean {
  return TESTED_NODES[name].includes(nodeMajor)
}
