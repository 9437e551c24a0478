import type { Refusal } from '../refusals.js'

/** The close reason: `{"error": name, "retry_after_ms"?: n}`; the names are short enough for the 123 bytes of RFC 6455 section 5.5. */
export function closeReason (refusal: Refusal): string {
  return refusal.retryAfterMs === undefined
    ? `{"error":"${refusal.name}"}`
    : `{"error":"${refusal.name}","retry_after_ms":${Math.ceil(refusal.retryAfterMs)}}`
}
