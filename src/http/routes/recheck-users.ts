import Type, { type Static } from '#typebox'
import type { Control } from '../../control/control.js'
import { describeOperationFault } from '../../operation-fault.js'
import { unavailableAnswer } from '../answers.js'
import type { BodyBounds } from '../collect-body.js'
import { createRoute } from '../create-route.js'
import { NO_INPUT, type Route } from '../route.js'
import type { Secret } from '../secrets.js'
import { createShape } from '../shape.js'
import { DESCRIBED_UNDONE } from './orders.js'
import { userIdSchema } from './user-id.js'

export interface RecheckUsersRouteDeps {
  readonly orders: Pick<Control, 'recheck'>
  readonly secret: Secret
}

const MAX_USERS = 100
/** Users with the longest ids that there are. */
const USERS_BODY: BodyBounds = { maxBytes: 1_048_576, timeoutMs: 10_000 }

const UserSchema = Type.Object({ user_id: userIdSchema('whose rights have changed') }, { additionalProperties: false })
const RecheckSchema = Type.Union([UserSchema, Type.Array(UserSchema, { minItems: 1, maxItems: MAX_USERS })], {
  title: 'Recheck',
  description: 'One user, or several. It is needed on the main port: everybody is an operator\'s to order, on the admin port.',
  examples: [{ user_id: 'alice' }, [{ user_id: 'alice' }, { user_id: 'bob' }]]
})
const USERS = createShape(RecheckSchema, `wanted {"user_id": …}, or an array of 1 to ${MAX_USERS} of these`)

const usersOf = (body: Static<typeof RecheckSchema>): ReadonlySet<string> => new Set([body].flat().map(({ user_id: userId }) => userId))

/** What a back end asks, or its database, when it has changed what users may see: 202 once every process was told. */
export function createRecheckUsersRoute ({ orders, secret }: RecheckUsersRouteDeps): Route {
  return createRoute({
    ...NO_INPUT,
    method: 'POST',
    path: '/v1/recheck',
    secret,
    body: { bounds: USERS_BODY, shape: USERS },
    tag: 'back ends',
    summary: 'Ask again what open connections of these users may see',
    description: `Up to ${MAX_USERS} users. Several orders for one user within a second are carried out once, as a trigger fires for each row that a statement changes.`,
    answers: { 202: { description: 'Every process was told.' }, 503: DESCRIBED_UNDONE },
    async handle ({ body }) {
      const done = await Promise.allSettled([...usersOf(body)].map(async userId => { await orders.recheck(userId) }))
      const failed = done.find(one => one.status === 'rejected')
      return failed === undefined ? { status: 202 } : unavailableAnswer(describeOperationFault(failed.reason))
    }
  })
}
