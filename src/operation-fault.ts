import { outcomeOf, type CallOutcome } from './redis/call-outcome.js'
import { describeFailure } from './redis/describe-failure.js'

/** An operation could not be done, for a reason that is known: the message is for operators, in our own words. */
export class OperationFault extends Error {
  override readonly name = 'OperationFault'

  /** `outcome`: what is known of what was done all the same. */
  constructor (message: string, readonly outcome: CallOutcome = 'unknown') {
    super(message)
  }
}

/** What an operation that failed has done all the same, as far as is known. */
export function outcomeOfOperation (error: unknown): CallOutcome {
  return error instanceof OperationFault ? error.outcome : outcomeOf(error)
}

/** Faults of programs, which say nothing about Redis. */
const OF_PROGRAMS = [TypeError, RangeError, ReferenceError, SyntaxError]

/** Says for an operator, or a back end, why what they asked for could not be done. Repeats nothing of what Redis said. */
export function describeOperationFault (error: unknown): string {
  if (error instanceof OperationFault) return error.message
  if (error instanceof AggregateError) return 'no worker answers'
  if (error instanceof Error && OF_PROGRAMS.some(kind => error instanceof kind)) return `a fault of the gateway (${error.name}): please report it`
  return `Redis cannot do it now: ${describeFailure(error)}`
}
