import type { ClientState } from './client-state.js'

/** Takes a line for developers about what the client does. No line holds a token, a ticket, the data of a frame or a query. */
export type DebugLine = (line: string) => void

/** What a line tells of a frame. */
const TOLD = ['type', 'id', 'to', 'topic', 'event', 'pos', 'replayed', 'error', 'code', 'retry_after_ms', 'reconnect_after_ms', 'agent_ids', 'task_ids'] as const

/** Undefined: nothing is to be told. `true`: the console is. */
export function readDebug (debug: boolean | DebugLine | undefined): DebugLine | undefined {
  if (typeof debug === 'function') return debug
  return debug === true ? (line) => { console.debug(`portcullis: ${line}`) } : undefined
}

/** A frame as a line tells it: its members that are on the list, and none else. */
export function describeFrame (frame: object): string {
  const members = frame as Readonly<Record<string, unknown>>
  return TOLD.flatMap(name => members[name] === undefined ? [] : [name === 'type' ? String(members[name]) : `${name}=${String(members[name])}`]).join(' ')
}

/** A state as a line tells it, with the name and code of what brought it about. */
export function describeState (state: ClientState): string {
  const because = 'because' in state ? ` because of ${state.because.name}${state.because.code === null ? '' : ` ${state.because.code}`}` : ''
  return state.status + (state.status === 'waiting' ? ` ${state.retryInMs} ms` : '') + because
}
