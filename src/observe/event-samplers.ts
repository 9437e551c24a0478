import type { AnyLine } from './events.js'
import { createRefusalSampler, type RefusalSampler } from './refusal-sampler.js'

/** Decides which lines are written of what attackers can cause at will. */
export interface EventSamplers {
  readonly refused: RefusalSampler
  readonly limited: RefusalSampler
  readonly denied: RefusalSampler
  /** Ends the interval: writes the counts held back. */
  sweep (): void
}

type SampledEvent = 'connection.refused' | 'message.limited' | 'access.denied'

const WRITTEN_PER_INTERVAL = 50
const MAX_SAMPLED_ADDRESSES = 10_000

/** Makes the samplers: 50 lines of an event and address pass in an interval, and the rest is counted. */
export function createEventSamplers (write: (line: AnyLine) => void): EventSamplers {
  const sampler = (event: SampledEvent): RefusalSampler => createRefusalSampler({
    writtenPerInterval: WRITTEN_PER_INTERVAL,
    maxAddresses: MAX_SAMPLED_ADDRESSES,
    // This line is itself the last of those held back, so it stands for one more than it counts.
    onSuppressed (ip, reason, count) { write({ event, ip, reason, suppressed: count - 1 }) }
  })
  const [refused, limited, denied] = [sampler('connection.refused'), sampler('message.limited'), sampler('access.denied')]
  return {
    refused,
    limited,
    denied,
    sweep () { for (const each of [refused, limited, denied]) each.sweep() }
  }
}
