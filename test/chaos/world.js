import { randomBytes } from 'node:crypto'
import { createGateway } from './gateway.js'
import { startIssuer } from './issuer.js'
import { createLedger } from './ledger.js'
import { createSteadiness } from './steadiness.js'
import { createOrderBook } from './order-book.js'
import { createSendBook } from './send-book.js'
import { createTally } from './tally.js'
import { settingsFor } from './terms.js'
import { TOPOLOGIES } from './topology.js'

/**
 * Everything that runs, and what is written down of it.
 * @typedef {Awaited<ReturnType<typeof startWorld>>} World
 */

/** Starts Redis, the issuer and both gateways. @param {keyof typeof TOPOLOGIES} topology @param {number} workers of the second gateway */
export async function startWorld (topology, workers) {
  const [ledger, steadiness, tally] = [createLedger(), createSteadiness(), createTally()]
  const [redis, issuer] = await Promise.all([TOPOLOGIES[topology](steadiness), startIssuer()])
  const [adminToken, publishKey] = [randomBytes(24).toString('hex'), randomBytes(24).toString('hex')]
  const settings = settingsFor({ issuerUrl: issuer.url, jwksUrl: issuer.jwksUrl, redisSettings: redis.settings, adminToken, publishKey })
  const gateways = await Promise.all([['a', 1], ['b', workers]].map(async ([name, count]) =>
    await createGateway({ name, settings, workers: count, ledger, steadiness, tally })))
  await Promise.all(gateways.map(async (gateway) => { await gateway.start() }))
  return { ledger, steadiness, tally, redis, issuer, gateways, publishKey, sends: createSendBook(), orders: createOrderBook() }
}
