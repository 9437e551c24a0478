import { createHook } from 'node:async_hooks'
import type { Lifetime } from '../support/gateway.js'

/** What comes and goes within a turn of the event loop, or belongs to a promise: nothing that is open. */
const PASSING = /^(PROMISE|TickObject|Microtask|Immediate|RANDOMBYTESREQUEST|FSREQCALLBACK|FSREQPROMISE|GETADDRINFOREQWRAP|GETNAMEINFOREQWRAP)$/
/** The file that opened it: the first outside of Node. */
const OPENER = /\/(src|test|node_modules)\/.*/

export interface OpenResources {
  /** Handles, requests and timers that were opened since, and are open still: also those that keep no process alive. */
  open (): string[]
}

/** Null: the test or its runner. */
function findOpener (): string | null {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 100
  const frames = String(new Error('who').stack).split('\n').slice(1)
  Error.stackTraceLimit = stackTraceLimit
  // The first frames are those of this file.
  const opener = frames.filter(frame => !frame.includes('open-resources')).map(frame => OPENER.exec(frame)?.[0]).find(found => found !== undefined)
  return opener === undefined || /^\/test\/|tapjs/.test(opener) ? null : opener
}

/**
 * Watches what the sources and their packages open from now on, until the test ends: `process.getActiveResourcesInfo` does
 * not know a timer that keeps nothing alive.
 */
export function watchResources (t: Lifetime): OpenResources {
  const open = new Map<number, string>()
  const hook = createHook({
    init (id, type) {
      const opener = PASSING.test(type) ? null : findOpener()
      if (opener !== null) open.set(id, `${type} by ${opener}`)
    },
    destroy (id) { open.delete(id) }
  }).enable()
  t.teardown(() => { hook.disable() })
  return { open: () => [...open.values()].toSorted() }
}
