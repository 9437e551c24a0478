import Type from '#typebox'
import { parseAddress } from '../../address/client-address.js'
import type { Control } from '../../control/control.js'
import { refusalAnswer } from '../answers.js'
import { createRoute } from '../create-route.js'
import { BanBodySchema, MAX_BAN_S } from '../request-schemas.js'
import { NO_INPUT, type Route } from '../route.js'
import type { Secret } from '../secrets.js'
import { createShape } from '../shape.js'
import { carryOut, ORDER_ANSWERS, ORDER_BODY, type OnAdminAction } from './orders.js'

export interface BanRoutesDeps {
  readonly orders: Pick<Control, 'ban' | 'unban'>
  readonly secret: Secret
  readonly onAction: OnAdminAction
}

const WANTED_ADDRESS = 'wanted an IPv4 or IPv6 address; of networks only the /64 of an IPv6 address can be banned'
const NETWORK = /\/64$/
const NOT_AN_ADDRESS = refusalAnswer('bad_request', WANTED_ADDRESS)
const BAN_BODY = createShape(BanBodySchema, `seconds: wanted a number from 1 to ${MAX_BAN_S}`)
const ADDRESS_PATH = createShape(Type.Object({
  address: Type.String({ minLength: 1, description: 'IPv4 or IPv6; an IPv6 address stands for its /64, which may be written so, with the slash as it is or as %2F', examples: ['198.51.100.7'] })
}), WANTED_ADDRESS)

/** Bans are kept by the key that limits count: an IPv6 address stands for its /64. Null: no address, or another network. */
function bannedKey (text: string): string | null {
  const key = parseAddress(text.replace(NETWORK, ''))?.key ?? null
  return NETWORK.test(text) && key?.endsWith('/64') !== true ? null : key
}

/** What operators order about addresses. */
export function createBanRoutes ({ orders, secret, onAction }: BanRoutesDeps): Route[] {
  const shared = { ...NO_INPUT, path: '/v1/bans/:address+', secret, params: ADDRESS_PATH, tag: 'operators', answers: ORDER_ANSWERS } as const
  return [
    createRoute({
      ...shared,
      method: 'PUT',
      body: { bounds: ORDER_BODY, shape: BAN_BODY },
      summary: 'Ban an address',
      async handle ({ params, body, address }) {
        const target = bannedKey(params.address)
        const durationMs = body.seconds * 1000
        return target === null
          ? NOT_AN_ADDRESS
          : await carryOut(onAction, { action: 'ban', target, durationMs, address, run: async () => { await orders.ban(target, durationMs) } })
      }
    }),
    createRoute({
      ...shared,
      method: 'DELETE',
      summary: 'Lift a ban',
      async handle ({ params, address }) {
        const target = bannedKey(params.address)
        return target === null
          ? NOT_AN_ADDRESS
          : await carryOut(onAction, { action: 'unban', target, address, run: async () => { await orders.unban(target) } })
      }
    })
  ]
}
