import WebSocket from 'ws'
import { becomesTrue, sleep } from './processes.js'
import { ALLOWED_NETWORK } from './terms.js'

const IN_FORCE = 'an acknowledged ban or revocation is in force on every gateway, and one that was taken back on none'
/** Every 30 s each process reads all that is kept. */
const WITHIN_MS = 45_000
const BETWEEN_ROUNDS_MS = 500
/** On the allow list: looking often must not meet the limit. */
const JUDGE_ADDRESS = `${ALLOWED_NETWORK}200.1`
const HANDSHAKE_MS = 15_000
/** A process has heard of an order after this long, and has written back what Redis lost after that long. */
const HEARD_MS = 2000
const WRITTEN_BACK_MS = 10_000
const REFUSALS = { ban: 'banned', revocation: 'revoked' }

/** The name of the refusal; `open` when there is none. */
async function attempt (gateway, token, from) {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/ws?token=${token}`, { localAddress: from, handshakeTimeout: HANDSHAKE_MS })
  return await new Promise((resolve) => {
    socket.once('open', () => {
      socket.terminate()
      resolve('open')
    })
    socket.once('unexpected-response', (_request, response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (part) => { body += part })
      response.on('end', () => {
        socket.terminate()
        resolve(JSON.parse(body).error)
      })
    })
    socket.on('error', () => { resolve('failed') })
  })
}

/**
 * Why an order may be gone: whatever Redis lost, each process that had heard of it stood still or ended before it could write
 * it back.
 * @param {import('./order-book.js').Order} order
 */
function excuse ({ atMs }, { steadiness, ledger }) {
  const stoodStill = (stops, { fromMs, toMs }) => stops.some(stop => stop.toMs >= fromMs && stop.fromMs <= toMs + WRITTEN_BACK_MS)
  const survives = ({ startedAtMs, killedAtMs, drainedAtMs, stops }, loss) => {
    const endsAtMs = Math.min(killedAtMs, drainedAtMs)
    return startedAtMs + HEARD_MS < loss.fromMs && endsAtMs > loss.toMs + WRITTEN_BACK_MS && !stoodStill(stops, loss)
  }
  const isFatal = loss => atMs + HEARD_MS > loss.fromMs || ![...ledger.nodes.values()].some(node => survives(node, loss))
  return steadiness.lossesBetween(atMs - HEARD_MS, Infinity).some(isFatal) ? 'every process that knew an order ended before it could write it back' : null
}

/** @param {import('./order-book.js').Order} order */
async function judge ({ kind, name, isLifted }, gateway, issuer) {
  const token = issuer.sign({ sub: `judge-${gateway.name}-${name}`, ...(kind === 'revocation' ? { jti: name } : {}) })
  const seen = await attempt(gateway, token, kind === 'ban' ? name : JUDGE_ADDRESS)
  return { seen, holds: seen === (isLifted ? 'open' : REFUSALS[kind]) }
}

/** With both gateways up and every client gone. @param {import('./world.js').World} world */
export async function checkOrders (world) {
  const { orders: { orders }, gateways, issuer, tally } = world
  let cases = orders.filter(({ isKnown }) => isKnown).flatMap(order => gateways.map(gateway => ({ order, gateway, seen: '' })))
  const holding = []
  await becomesTrue(async () => {
    const open = []
    // One after the other: a gateway that is asked for all at once has no time to read what it lacks.
    for (const one of cases) {
      const { seen, holds } = await judge(one.order, one.gateway, issuer)
      if (holds) holding.push(one)
      else open.push({ ...one, seen })
    }
    cases = open
    if (cases.length > 0) await sleep(BETWEEN_ROUNDS_MS)
    return cases.length === 0
  }, WITHIN_MS)
  holding.forEach(() => { tally.check(IN_FORCE, true, () => ({ text: '' })) })
  for (const { order, gateway, seen } of cases) {
    const reason = excuse(order, world)
    if (reason !== null) tally.except(reason, [{ ...order, gateway: gateway.name, seen }])
    const { kind, name, isLifted } = order
    const told = `${gateway.name}: ${kind} ${name}, ${isLifted ? 'taken back' : 'in force'}: ${seen}`
    tally.check(IN_FORCE, reason !== null, () => ({ text: told, lines: [order] }))
  }
}
