import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A backlog that is being set. */
export interface BacklogCall {
  /** Lets go of the socket at once: for who listens no more, as the port is taken for as long as somebody holds it. */
  stop (): void
  /** Resolves when nobody but this process holds the socket. Never rejects. */
  readonly ended: Promise<void>
}

/** `descriptor`: what the listening socket should have, null where that is not known. Null: there is nothing to wait for. */
export type SetBacklog = (descriptor: number | null, port: number) => BacklogCall | null

/** What the native layer asks for; it has no option for it. */
const NATIVE_BACKLOG = 512
const ENTRY = fileURLToPath(new URL('backlog-main.js', import.meta.url))
const MOST_MS = 10_000

/**
 * The descriptor that the next file or socket of this process gets: the lowest that is free (POSIX, open). Null where none is. A thread
 * of the pool may take it first; so the process that is given it asks what it is.
 */
export function findNextDescriptor (): number | null {
  try {
    const descriptor = openSync('/dev/null', 'r')
    closeSync(descriptor)
    return descriptor
  } catch {
    return null
  }
}

/**
 * Makes what sets this backlog; null where the native layer's own is the same. The kernel drops the SYN of each connection for which its
 * queue has no place, and that client tries again after 1 s, then 3 s: nobody refused it, and no line tells of it. In a storm 512 come
 * within a turn of the event loop.
 *
 * Neither the native layer nor Node has a call for it. But listen(2) may be called again, by any process that has the socket. So a child
 * gets it, calls, and ends before its event loop has turned: it accepts nothing. `onFailure` gets the reason for which the backlog is a
 * lower one; not after `stop`.
 */
export function createSetBacklog (backlog: number, onFailure: (reason: string) => void): SetBacklog | null {
  if (backlog === NATIVE_BACKLOG) return null
  return (descriptor, port) => {
    const most = readSystemLimit()
    if (most < backlog) onFailure(`net.core.somaxconn is ${most}`)
    if (descriptor === null) {
      onFailure('no descriptor is free')
      return null
    }
    try {
      return callListen(descriptor, port, backlog, onFailure)
    } catch (error) {
      // A system without memory for one process more has this one serve with what it has.
      onFailure(error instanceof Error ? error.message : String(error))
      return null
    }
  }
}

/** Connections; infinite where it is not to be known, as on other systems than Linux. */
function readSystemLimit (): number {
  try {
    return Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))
  } catch {
    return Infinity
  }
}

function callListen (descriptor: number, port: number, backlog: number, onFailure: (reason: string) => void): BacklogCall {
  // Nothing of this process's environment but what Node may need to be loaded: neither secrets nor NODE_OPTIONS are for it.
  const { LD_LIBRARY_PATH } = process.env
  const child = spawn(process.execPath, [ENTRY, String(port), String(backlog)], {
    stdio: ['ignore', 'ignore', 'ignore', descriptor],
    env: LD_LIBRARY_PATH === undefined ? {} : { LD_LIBRARY_PATH },
    timeout: MOST_MS,
    killSignal: 'SIGKILL'
  })
  let isStopped = false
  const ended = new Promise<void>((resolve) => {
    const end = (reason: string | null): void => {
      if (reason !== null && !isStopped) onFailure(reason)
      resolve()
    }
    child.once('error', (error) => { end(error.message) })
    child.once('exit', (code, signal) => { end(code === 0 ? null : `the process that calls listen(2) ended with ${signal ?? String(code)}`) })
  })
  return {
    ended,
    stop () {
      isStopped = true
      child.kill('SIGKILL')
    }
  }
}
