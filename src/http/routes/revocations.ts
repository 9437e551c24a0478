import type { Control, Revocation } from '../../control/control.js'
import { refusalAnswer } from '../answers.js'
import { createRoute } from '../create-route.js'
import { RevocationBodySchema } from '../request-schemas.js'
import { NO_INPUT, type Method, type Route } from '../route.js'
import type { Secret } from '../secrets.js'
import { createShape } from '../shape.js'
import { carryOut, ORDER_ANSWERS, ORDER_BODY, type OnAdminAction } from './orders.js'
import { readRevocation } from './read-revocation.js'

export interface RevocationRoutesDeps {
  readonly orders: Pick<Control, 'revoke' | 'unrevoke'>
  readonly secret: Secret
  readonly onAction: OnAdminAction
  /** Configured names of the issuers. */
  readonly issuers: readonly string[]
  /** How far ahead of now `issued_before` may be, in ms: a revocation is kept until then. */
  readonly maxTokenLifetimeMs: number
}

const REVOCATION_BODY = createShape(RevocationBodySchema, 'wanted: exactly one of jti, sid, sub; optionally issuer and issued_before')

/** What operators order about tokens, sessions and users. */
export function createRevocationRoutes ({ orders, secret, onAction, issuers, maxTokenLifetimeMs }: RevocationRoutesDeps): Route[] {
  const route = (
    method: Method, action: 'revoke' | 'unrevoke', summary: string, order: (revocation: Revocation) => Promise<void>
  ): Route => createRoute({
    ...NO_INPUT,
    method,
    path: '/v1/revocations',
    secret,
    body: { bounds: ORDER_BODY, shape: REVOCATION_BODY },
    tag: 'operators',
    summary,
    answers: ORDER_ANSWERS,
    async handle ({ body, address }) {
      const revocation = readRevocation(body, Date.now(), maxTokenLifetimeMs)
      if (typeof revocation === 'string') return refusalAnswer('bad_request', revocation)
      const { kind, id, issuer } = revocation
      if (issuer !== null && !issuers.includes(issuer)) return refusalAnswer('bad_request', 'issuer: wanted the name of a configured issuer')
      return await carryOut(onAction, {
        action, target: `${kind}:${id}`, ...(issuer === null ? {} : { issuer }), address, run: async () => { await order(revocation) }
      })
    }
  })
  return [
    route('POST', 'revoke', 'Revoke a token, a session, or all tokens of a user', async (revocation) => { await orders.revoke(revocation) }),
    route('DELETE', 'unrevoke', 'Take a revocation back', async (revocation) => { await orders.unrevoke(revocation) })
  ]
}
