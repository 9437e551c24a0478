import Type from '#typebox'
import type { Control } from '../../control/control.js'
import type { Operations } from '../../gateway/operations.js'
import { ConnectionListSchema } from '../answer-schemas.js'
import { createRoute } from '../create-route.js'
import { NO_INPUT, type Route } from '../route.js'
import type { Secret } from '../secrets.js'
import { createShape } from '../shape.js'
import { answerUndone, carryOut, DESCRIBED_UNDONE, ORDER_ANSWERS, type OnAdminAction } from './orders.js'
import { nextOf, PAGE_PARAMETERS, readPage, WANTED_PAGE } from './pages.js'
import { userIdSchema } from './user-id.js'

export interface ConnectionRoutesDeps {
  /** Rejects when the other processes cannot be asked. */
  readonly listConnections: Operations['listConnections']
  readonly orders: Pick<Control, 'disconnect'>
  readonly secret: Secret
  readonly onAction: OnAdminAction
}

const WHICH = createShape(
  Type.Object({ user_id: Type.Optional(userIdSchema('of this user; without it, of everybody')), ...PAGE_PARAMETERS }),
  `user_id: wanted 1 to 2048 characters, or none for all; ${WANTED_PAGE}`
)
const USER_PATH = createShape(
  Type.Object({ id: Type.String({ minLength: 1, description: 'user id, percent-encoded', examples: ['alice'] }) }), 'wanted a user id'
)

/** What operators ask of open connections. */
export function createConnectionRoutes ({ listConnections, orders, secret, onAction }: ConnectionRoutesDeps): Route[] {
  return [
    createRoute({
      ...NO_INPUT,
      method: 'GET',
      path: '/v1/connections',
      secret,
      query: WHICH,
      tag: 'operators',
      summary: 'Open connections of all processes, in the order of their ids',
      answers: {
        200: { description: 'Those of all processes that answered in time.', schema: ConnectionListSchema },
        503: DESCRIBED_UNDONE
      },
      async handle ({ query }) {
        try {
          const { connections, next, missingNodes } = await listConnections({ userId: query.user_id ?? null, ...readPage(query) })
          return { status: 200, body: { connections, ...nextOf(next), ...(missingNodes === 0 ? {} : { missing_nodes: missingNodes }) } }
        } catch (error) {
          return answerUndone(error)
        }
      }
    }),
    createRoute({
      ...NO_INPUT,
      method: 'DELETE',
      path: '/v1/users/:id/connections',
      secret,
      params: USER_PATH,
      tag: 'operators',
      summary: 'End a user\'s connections: 4403 `disconnected`',
      answers: ORDER_ANSWERS,
      handle: async ({ params: { id }, address }) => await carryOut(onAction, {
        action: 'disconnect', target: id, address, run: async () => { await orders.disconnect(id) }
      })
    })
  ]
}
