import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A backlog that is being set. */
export interface BacklogCall {
  /** Lets go of the socket at once: for a caller that no longer listens, as the port is taken for as long as somebody holds it. */
  stop (): void
  /** Resolves when nobody but this process holds the socket. Never rejects. */
  readonly ended: Promise<void>
}

/** `descriptor`: what the listening socket should have, null where that is not known. Null: there is nothing to wait for. */
export type SetBacklog = (descriptor: number | null, port: number) => BacklogCall | null

const ENTRY = fileURLToPath(new URL('backlog-main.js', import.meta.url))
const MOST_MS = 10_000
/** The exit code of a child that got another socket or file. */
export const NOT_OURS = 3

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
 * Makes what sets this backlog. The kernel drops the SYN of each connection for which its queue has no place, and that client tries again
 * after 1 s, then 3 s: nobody refused it, and no line tells of it. In a storm 512 come within a turn of the event loop.
 *
 * Neither the native layer nor Node has a call for it. But listen(2) may be called again, by any process that has the socket. So a child
 * gets it, calls, and ends before its event loop has turned: it accepts nothing. `onFailure` gets the reason for which the backlog is a
 * lower one; not after `stop`.
 */
export function createSetBacklog (backlog: number, onFailure: (reason: string) => void): SetBacklog {
  return (descriptor, port) => {
    const most = readSystemLimit()
    if (most < backlog) onFailure(`net.core.somaxconn is ${most}`)
    if (descriptor === null) {
      onFailure('no descriptor is free')
      return null
    }
    const child = trySpawn(descriptor, port, backlog, onFailure)
    return child === null ? null : watch(child, `${port}: another thread took descriptor ${descriptor} first`, onFailure)
  }
}

/** Connections; Infinity where the system does not tell, as others than Linux. */
function readSystemLimit (): number {
  try {
    return Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))
  } catch {
    return Infinity
  }
}

/** Null when no process could be made. Some of the system's refusals are thrown, others are told by the process that is none. */
function trySpawn (descriptor: number, port: number, backlog: number, onFailure: (reason: string) => void): ChildProcess | null {
  // Nothing of this process's environment but what Node may need to be loaded: neither secrets nor NODE_OPTIONS are for it.
  const { LD_LIBRARY_PATH } = process.env
  try {
    const child = spawn(process.execPath, [ENTRY, String(port), String(backlog)], {
      stdio: ['ignore', 'ignore', 'ignore', descriptor],
      env: LD_LIBRARY_PATH === undefined ? {} : { LD_LIBRARY_PATH },
      // A signal to all processes of this group is none of its.
      detached: true
    })
    if (child.pid !== undefined) return child
    child.once('error', (error) => { onFailure(error.message) })
  } catch (error) {
    onFailure(error instanceof Error ? error.message : String(error))
  }
  return null
}

/** `notOurs`: what it means that the socket of the child is another one. */
function watch (child: ChildProcess, notOurs: string, onFailure: (reason: string) => void): BacklogCall {
  const kill = (): void => { child.kill('SIGKILL') }
  const overdue = setTimeout(kill, MOST_MS)
  overdue.unref()
  let isStopped = false
  const ended = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      clearTimeout(overdue)
      const reason = code === NOT_OURS ? `this is not the listening socket of port ${notOurs}` : `the child process ended with ${signal ?? `code ${code}`}`
      if (code !== 0 && !isStopped) onFailure(`listen(2) was not called: ${reason}`)
      resolve()
    })
  })
  return {
    ended,
    stop () {
      isStopped = true
      kill()
    }
  }
}
