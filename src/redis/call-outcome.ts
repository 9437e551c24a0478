import { ReplyError } from '#ioredis'
import { classifyFailure } from './failure.js'

/**
 * What a call that failed has done. `undone`: nothing, as it was not sent, or was refused before it began. `refused`: Redis
 * answered with an error, after a script may have done a part. `unknown`: no answer came, and it may have done all.
 */
export type CallOutcome = 'undone' | 'refused' | 'unknown'

/** What the client library says of a command that it never sent. */
const NOT_SENT = /isn't writeable|Cluster isn't ready|None of startup nodes|Failed to refresh slots cache|No master node/

/** Says what a failed call has done. `error`: what it was rejected with. */
export function outcomeOf (error: unknown): CallOutcome {
  if (!(error instanceof Error)) return 'unknown'
  if (!(error instanceof ReplyError)) return NOT_SENT.test(error.message) ? 'undone' : 'unknown'
  // A server that takes nothing now refuses the first write of a script, and one that denies a command does so before it runs.
  return classifyFailure(error).kind === 'away' || error.message.startsWith('NOPERM') ? 'undone' : 'refused'
}
