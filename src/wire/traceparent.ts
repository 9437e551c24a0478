/**
 * A `traceparent` (W3C Trace Context, section 3.2.2): version, trace, span and flags. Version ff is none, and neither is a trace or a
 * span of zeros alone. What later versions may add behind the flags is not taken.
 */
export const TRACEPARENT_PATTERN = '^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$'

const TRACEPARENT = new RegExp(TRACEPARENT_PATTERN)

/** A header's value as a `traceparent`; null: it is none, and counts as absent. */
export function readTraceparent (text: string | undefined): string | null {
  return text !== undefined && TRACEPARENT.test(text) ? text : null
}
