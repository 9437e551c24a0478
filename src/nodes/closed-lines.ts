import type { Audit } from '../observe/audit.js'
import type { Heartbeat } from './heartbeat.js'

type WriteClosed = Audit['closed']
type Closed = Parameters<WriteClosed>

export interface ClosedLinesOptions {
  readonly write: WriteClosed
  readonly heartbeat: Pick<Heartbeat, 'isCurrent' | 'isCutOff' | 'verify'>
  /** Another process took this one for lost and wrote closed lines for `connections` of its connections. */
  readonly onReturned: (connections: number) => void
  /** Most lines held at once; default 100,000. Lines beyond that are written as if no process had claimed their connections. */
  readonly maxHeld?: number
}

/** Keeps a process that others took for lost (it was stopped or cut off) from writing a second closed line for a connection. */
export interface ClosedLines {
  /** Writes the line now; or holds it until the next heartbeat tells whether others have written it. */
  readonly closed: WriteClosed
  /** All connections of this process that others have claimed: no line for these, now or later. */
  markClaimed (connectionIds: readonly string[]): void
  /** Claimed connections that have ended since the last call, at most 500: they need not be remembered any more. */
  takeEnded (): string[]
  /** Resolves when no line is held any more. */
  flush (): Promise<void>
}

const MAX_HELD = 100_000
const MAX_TAKEN = 500

export function createClosedLines ({ write, heartbeat, onReturned, maxHeld = MAX_HELD }: ClosedLinesOptions): ClosedLines {
  const claimed = new Set<string>()
  const ended = new Set<string>()
  let held: Closed[] = []
  let verifying: Promise<void> | null = null

  function settle (...line: Closed): void {
    const id = line[0].connectionId
    if (id !== null && claimed.delete(id)) ended.add(id)
    else write(...line)
  }

  async function verify (): Promise<void> {
    await heartbeat.verify()
    verifying = null
    const lines = held
    held = []
    for (const line of lines) settle(...line)
  }

  return {
    closed (...line) {
      if (heartbeat.isCurrent() || heartbeat.isCutOff() || held.length >= maxHeld) return settle(...line)
      held.push(line)
      verifying ??= verify()
    },
    markClaimed (connectionIds) {
      const before = claimed.size
      for (const id of connectionIds) if (!ended.has(id)) claimed.add(id)
      if (claimed.size > before) onReturned(claimed.size - before)
    },
    takeEnded () {
      const taken: string[] = []
      for (const id of ended) if (taken.push(id) === MAX_TAKEN) break
      for (const id of taken) ended.delete(id)
      return taken
    },
    async flush () { await verifying }
  }
}
