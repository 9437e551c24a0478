import type { Answer } from './answers.js'
import { RefusalBodySchema } from './answer-schemas.js'
import type { AnswerDescription } from './route.js'

/** Describes an answer that says no by the answer itself: its headers, and its body as the example. */
export function describeRefusal (description: string, { body, headers = {} }: Answer): AnswerDescription {
  return { description, schema: RefusalBodySchema, examples: { [nameOf(body)]: body }, headers: Object.keys(headers) }
}

function nameOf (body: unknown): string {
  return typeof body === 'object' && body !== null && 'error' in body ? String(body.error) : 'refusal'
}
