import type { Publishing } from '../bus/publishing.js'
import type { Publication, Published } from '../history/history.js'
import { describeOperationFault, OperationFault, outcomeOfOperation } from '../operation-fault.js'
import type { CallOutcome } from '../redis/call-outcome.js'
import { JsonText } from '../wire/json-text.js'

/** Events to publish, and what became of them, as they travel between the supervisor and a worker. */

/** As text: between processes a value would lose what numbers have beyond 2^53. */
interface PackedPublication extends Omit<Publication, 'data'> { readonly json: string }

/** Of a failure its cause travels, in words for operators, and what it has done all the same. */
type PackedOutcome = { readonly published: Published | null } | { readonly failed: string, readonly outcome: CallOutcome }

export function packPublications (publications: readonly Publication[]): PackedPublication[] {
  return publications.map(({ data, ...publication }) => ({ ...publication, json: data.toString() }))
}

/** Publishes in a worker what a supervisor packed. */
export async function publishPacked (publishing: Publishing, packed: readonly PackedPublication[]): Promise<PackedOutcome[]> {
  const settled = await publishing.publish(packed.map(({ json, ...publication }) => ({ ...publication, data: JsonText.parse(json) })))
  return settled.map((result): PackedOutcome => result.status === 'fulfilled'
    ? { published: result.value }
    : { failed: describeOperationFault(result.reason), outcome: outcomeOfOperation(result.reason) })
}

export function unpackOutcomes (outcomes: readonly PackedOutcome[]): Array<PromiseSettledResult<Published | null>> {
  return outcomes.map(outcome => 'failed' in outcome
    ? { status: 'rejected', reason: new OperationFault(outcome.failed, outcome.outcome) }
    : { status: 'fulfilled', value: outcome.published })
}
