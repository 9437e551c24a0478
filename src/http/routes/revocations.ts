import type { Control, Revocation } from '../../control/control.js'
import { refusalAnswer } from '../answers.js'
import { createRoute } from '../create-route.js'
import { RevocationBodySchema } from '../request-schemas.js'
import { NO_INPUT, type Method, type Route } from '../route.js'
import type { Secret } from '../secrets.js'
import { createShape } from '../shape.js'
import { carryOut, ORDER_ANSWERS, ORDER_BODY } from './orders.js'
import { readRevocation } from './read-revocation.js'

export interface RevocationRoutesDeps {
  readonly orders: Pick<Control, 'revoke' | 'unrevoke'>
  readonly secret: Secret
  /** Configured names of the issuers. */
  readonly issuers: readonly string[]
  /** How far ahead of now `issued_before` may be, in ms: a revocation is kept until then. */
  readonly maxTokenLifetimeMs: number
}

const REVOCATION_BODY = createShape(RevocationBodySchema, 'wanted: exactly one of jti, sid, sub; optionally issuer and issued_before')

/** What operators order about tokens, sessions and users. */
export function createRevocationRoutes ({ orders, secret, issuers, maxTokenLifetimeMs }: RevocationRoutesDeps): Route[] {
  const route = (method: Method, summary: string, order: (revocation: Revocation) => Promise<void>): Route => createRoute({
    ...NO_INPUT,
    method,
    path: '/v1/revocations',
    secret,
    body: { bounds: ORDER_BODY, shape: REVOCATION_BODY },
    tag: 'operators',
    summary,
    answers: ORDER_ANSWERS,
    async handle ({ body }) {
      const revocation = readRevocation(body, Date.now(), maxTokenLifetimeMs)
      if (typeof revocation === 'string') return refusalAnswer('bad_request', revocation)
      const isKnown = revocation.issuer === null || issuers.includes(revocation.issuer)
      return isKnown ? await carryOut(order(revocation)) : refusalAnswer('bad_request', 'issuer: wanted the name of a configured issuer')
    }
  })
  return [
    route('POST', 'Revoke a token, a session, or all tokens of a user', async (revocation) => { await orders.revoke(revocation) }),
    route('DELETE', 'Take a revocation back', async (revocation) => { await orders.unrevoke(revocation) })
  ]
}
