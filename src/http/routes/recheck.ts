import Type from '#typebox'
import type { Control } from '../../control/control.js'
import { createRoute } from '../create-route.js'
import { NO_INPUT, type Route } from '../route.js'
import type { Secret } from '../secrets.js'
import { createShape } from '../shape.js'
import { carryOut, ORDER_ANSWERS, type OnAdminAction } from './orders.js'
import { userIdSchema } from './user-id.js'

export interface RecheckRoutesDeps {
  readonly orders: Pick<Control, 'recheck'>
  readonly secret: Secret
  readonly onAction: OnAdminAction
}

const WHOSE = createShape(
  Type.Object({ user_id: Type.Optional(userIdSchema('the user; without it, everybody')) }), 'user_id: wanted 1 to 2048 characters, or none for all'
)

/** What is asked when rights have changed. */
export function createRecheckRoutes ({ orders, secret, onAction }: RecheckRoutesDeps): Route[] {
  return [createRoute({
    ...NO_INPUT,
    method: 'POST',
    path: '/v1/recheck',
    secret,
    query: WHOSE,
    tag: 'operators',
    summary: 'Ask again what open connections may see',
    answers: ORDER_ANSWERS,
    handle: async ({ query: { user_id: userId = null }, address }) => await carryOut(onAction, {
      action: 'recheck', target: userId ?? '*', address, run: async () => { await orders.recheck(userId) }
    })
  })]
}
