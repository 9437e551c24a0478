import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type * as UwsModule from 'uWebSockets.js'
import { CannotStart } from '../../cannot-start.js'

/** Which native layer was loaded, and why: for the log line at start. */
export interface Binding {
  readonly uws: typeof UwsModule
  readonly name: 'current' | 'older'
  /** The package that it came in, with its version: the official one, or a republication. */
  readonly release: string
  readonly reason: string
}

/** Neither binding loads here. The message is one sentence for people. */
export class BindingError extends CannotStart {}

/**
 * The package whose binary also loads on older C libraries. Only its binary is used: its JavaScript falls back to a slow
 * imitation in silence.
 */
const OLDER = '@trufflesuite/uws-js-unofficial'

/** The head of a request may be up to 16 KB. The native layer reads this from the environment as it loads. */
const MAX_HEAD_BYTES = '16384'

/** The first line of a loader's complaint, which may hold a file's path but never input. */
function firstLine (error: unknown): string {
  const lines = String(error instanceof Error ? error.message : error).split('\n')
  return (lines.find(line => /GLIBC|invalid ELF|cannot open/.test(line)) ?? lines[0] ?? '').replace(/\S*\//g, '').slice(0, 120)
}

/** Name and version of the package whose folder this is. */
function releaseOf (folder: string): string {
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Readonly<Record<string, unknown>>
  return `${String(name)} ${String(version)}`
}

/**
 * Loads uWebSockets.js: the package installed under that name, else the older binding for old distributions.
 * @throws BindingError when neither has a binary for this platform.
 */
export function loadBinding (): Binding {
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] ??= MAX_HEAD_BYTES
  const require = createRequire(import.meta.url)
  let why: string
  try {
    const uws = require('uWebSockets.js') as typeof UwsModule
    return { uws, name: 'current', release: releaseOf(dirname(require.resolve('uWebSockets.js'))), reason: 'uWebSockets.js loaded' }
  } catch (error) {
    why = firstLine(error)
  }
  try {
    const file = require.resolve(`${OLDER}/binaries/uws_${process.platform}_${process.arch}_${process.versions.modules}.node`)
    const reason = `development binding of 2023: the current one does not load here (${why})`
    return { uws: require(file) as typeof UwsModule, name: 'older', release: releaseOf(dirname(dirname(file))), reason }
  } catch {
    throw new BindingError(`no uWebSockets.js binary for ${process.platform}-${process.arch}, Node ${process.version}: ` +
      'use Node 22 or 24 on Linux with glibc 2.38 or newer (Debian 13, Ubuntu 24.04), or Node 20 on an older one')
  }
}
