import type { TSchema } from '#typebox'
import type { ListedBan, ListedRevocation, OrderLists, Page, PageRequest } from '../../control/control.js'
import { BanListSchema, RevocationListSchema } from '../answer-schemas.js'
import { refusalAnswer, type Answer } from '../answers.js'
import { createRoute } from '../create-route.js'
import { NO_INPUT, type Route } from '../route.js'
import type { Secret } from '../secrets.js'
import { createShape } from '../shape.js'
import { answerUndone, DESCRIBED_UNDONE } from './orders.js'
import { nextOf, PageQuerySchema, readPage, WANTED_PAGE } from './pages.js'

export interface OrderListRoutesDeps {
  readonly lists: OrderLists
  readonly secret: Secret
}

const PAGE = createShape(PageQuerySchema, WANTED_PAGE)
const NO_SUCH_PAGE = refusalAnswer('bad_request', WANTED_PAGE)

/** When something ends that lasts for `remainingMs` from now on. */
const endOf = (remainingMs: number): string => new Date(Date.now() + remainingMs).toISOString()

const describeBan = ({ address, remainingMs }: ListedBan) => ({ address, expires_at: endOf(remainingMs) })

const describeRevocation = ({ revocation: { kind, id, issuer, issuedBeforeMs }, remainingMs }: ListedRevocation) => ({
  [kind]: id,
  ...(issuer === null ? {} : { issuer }),
  ...(issuedBeforeMs === null ? {} : { issued_before: new Date(issuedBeforeMs).toISOString() }),
  expires_at: endOf(remainingMs)
})

async function answerPage<T> (
  name: string, list: (page: PageRequest) => Promise<Page<T> | null>, request: PageRequest, describe: (entry: T) => object
): Promise<Answer> {
  try {
    const page = await list(request)
    return page === null ? NO_SUCH_PAGE : { status: 200, body: { [name]: page.entries.map(describe), ...nextOf(page.next) } }
  } catch (error) {
    return answerUndone(error)
  }
}

/** What operators ask of the orders that stand, as Redis keeps them. */
export function createOrderListRoutes ({ lists, secret }: OrderListRoutesDeps): Route[] {
  const route = (path: string, summary: string, schema: TSchema, answer: (request: PageRequest) => Promise<Answer>): Route => createRoute({
    ...NO_INPUT,
    method: 'GET',
    path,
    secret,
    query: PAGE,
    tag: 'operators',
    summary,
    answers: { 200: { description: 'What ends first stands first.', schema }, 503: DESCRIBED_UNDONE },
    handle: async ({ query }) => await answer(readPage(query))
  })
  return [
    route('/v1/bans', 'Banned addresses', BanListSchema, async request => await answerPage('bans', lists.listBans, request, describeBan)),
    route('/v1/revocations', 'Revoked tokens, sessions and users', RevocationListSchema,
      async request => await answerPage('revocations', lists.listRevocations, request, describeRevocation))
  ]
}
