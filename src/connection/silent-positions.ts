import { formatPosition } from '../history/position.js'
import type { Timers } from '../timers.js'
import type { TopicLogs } from '../topic-log/topic-logs.js'
import type { Registry } from './registry.js'
import { sendFrame } from './send-end-close.js'
import type { Session } from './session.js'

export interface SilentPositionsDeps {
  readonly registry: Pick<Registry, 'all'>
  readonly logs: Pick<TopicLogs, 'positionOf'>
  readonly timers: Timers
  readonly maxBufferedBytes: number
  /** In ms. */
  readonly periodMs?: number
}

const PERIOD_MS = 30_000

/**
 * Tells connections how far they are where events were passed over that they do not want: their clients' positions would stay
 * behind until what follows is not kept any more. Returns what ends it.
 */
export function startSilentPositions ({ registry, logs, timers, maxBufferedBytes, periodMs = PERIOD_MS }: SilentPositionsDeps): () => void {
  function tell (session: Session): void {
    const topics: Record<string, string> = {}
    let later: Set<string> | null = null
    for (const topic of session.passedOver ?? []) {
      const position = logs.positionOf(topic)
      // Who is being given what came before is not there yet, and is told once it is.
      if (session.held?.has(topic) === true) later = (later ?? new Set()).add(topic)
      else if (position !== null) topics[topic] = formatPosition(position)
    }
    session.passedOver = later
    if (Object.keys(topics).length > 0) sendFrame(session, { type: 'positions', topics }, maxBufferedBytes)
  }

  let cancel = timers.after(periodMs, round)
  function round (): void {
    for (const session of registry.all()) if (session.passedOver !== null) tell(session)
    cancel = timers.after(periodMs, round)
  }
  return () => { cancel() }
}
