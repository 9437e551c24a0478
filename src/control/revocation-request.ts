import { Compile } from 'typebox/compile'
import { RevocationBodySchema } from '../http/request-schemas.js'
import type { Revocation } from './control.js'

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/
const body = Compile(RevocationBodySchema)

/**
 * Reads the body of `POST` and `DELETE /v1/revocations`: exactly one of `jti`, `sid`, `sub`; `issuer` by its configured
 * name; `issued_before` as ISO time or as seconds since the epoch, at most `maxAheadMs` ahead, as the revocation is kept
 * until then. A string says what is wrong.
 */
export function parseRevocation (value: unknown, nowMs: number, maxAheadMs: number): Revocation | string {
  if (!body.Check(value)) return 'wanted: exactly one of jti, sid, sub; optionally issuer and issued_before'
  const named = (['jti', 'sid', 'sub'] as const).flatMap((kind) => value[kind] === undefined ? [] : [{ kind, id: value[kind] }])
  const [target] = named
  if (target === undefined || named.length > 1) return 'wanted: exactly one of jti, sid, sub'
  const issuedBeforeMs = value.issued_before === undefined ? null : readTimeMs(value.issued_before)
  if (Number.isNaN(issuedBeforeMs)) return 'issued_before: wanted an ISO 8601 time with zone, or seconds since the epoch'
  if (issuedBeforeMs !== null && issuedBeforeMs > nowMs + maxAheadMs) return 'issued_before: too far ahead'
  return { ...target, issuer: value.issuer ?? null, issuedBeforeMs }
}

function readTimeMs (time: string | number): number {
  if (typeof time === 'number') return time * 1000
  return ISO_TIME.test(time) ? Date.parse(time) : NaN
}
