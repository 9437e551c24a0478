import { fork, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { openIpcPeer, type IpcPeer } from './ipc-peer.js'
import { watchLiveness } from './liveness.js'

/** With a ping every 2 s: ended when it was silent for 14 to 16 s. */
const MAX_MISSED_PINGS = 7
/** Loading its modules may take long on a busy machine: about a minute. */
const MAX_MISSED_PINGS_AT_START = 30

/** One running worker as the supervisor holds it. */
export interface WorkerProcess {
  readonly number: number
  readonly link: IpcPeer
  /** It takes connections. */
  readonly started: boolean
  /** Asks it to drain and end. */
  stop (reason: string): void
  /** Has it take the TLS files as they are now. */
  reload (): void
  kill (): void
}

export interface WorkerEvents {
  onLine (line: string): void
  onStarted (port: number): void
  /** It answers no ping any more, and is being killed: the end will follow. */
  onHung (): void
  /** No process could be made; `code`: of the system, such as `EMFILE`. Nothing else is called then. */
  onForkFailed (code: string): void
  /** The process has ended and all it wrote was read. */
  onEnded (worker: WorkerProcess, code: number | null, signal: NodeJS.Signals | null): void
}

/** The system's code for why a process could not be made. */
function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
}

/** Null when no process could be made. Some of the system's refusals are thrown, others are told by the process that is none. */
function tryFork (entry: URL, number: number, env: NodeJS.ProcessEnv, onFailed: (code: string) => void): ChildProcess | null {
  const forked = (() => {
    try {
      return fork(entry, [], { env: { ...env, PORTCULLIS_WORKER: String(number) }, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    } catch (error) {
      onFailed(codeOf(error))
      return null
    }
  })()
  if (forked === null || forked.pid !== undefined) return forked
  forked.once('error', (error) => { onFailed(codeOf(error)) })
  return null
}

/**
 * Starts one worker; null when no process could be made, which is told. Its log lines come through a pipe, so that one process alone
 * writes, and rotates, the log.
 */
export function startWorker (number: number, entry: URL, env: NodeJS.ProcessEnv, events: WorkerEvents): WorkerProcess | null {
  const child = tryFork(entry, number, env, events.onForkFailed)
  if (child === null) return null
  const state = { started: false }
  const link = openIpcPeer({
    // A worker that has just died is no fault: its end is reported by `close`.
    send: (message) => { if (child.connected) child.send(message as object, () => {}) },
    onMessage: (listener) => { child.on('message', listener) }
  }, { started: (port: number) => { state.started = true; events.onStarted(port) } })
  const worker: WorkerProcess = {
    number,
    link,
    get started () { return state.started },
    stop: (reason) => { link.call('stop', [reason]).catch(() => {}) },
    reload: () => { link.call('reload').catch(() => {}) },
    kill: () => { child.kill('SIGKILL') }
  }
  const stopWatching = watchLiveness({
    ping: async (timeoutMs) => await link.call('ping', [], timeoutMs),
    maxMisses: () => worker.started ? MAX_MISSED_PINGS : MAX_MISSED_PINGS_AT_START,
    onHung: () => {
      events.onHung()
      worker.kill()
    }
  })
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', events.onLine)
  child.on('error', () => {})
  child.on('close', (code, signal) => {
    stopWatching()
    link.lost()
    events.onEnded(worker, code, signal)
  })
  return worker
}
