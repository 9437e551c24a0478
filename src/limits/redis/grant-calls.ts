import { randomBytes } from 'node:crypto'
import type { LimitKeys } from '../../redis/keys.js'
import {
  GRANT_LAPSE_MS, GRANT_SETTLE_MS, lentAheadForMs, type Grant, type GrantRequest, type GrantSettlement, type LimitSettings
} from '../limiter.js'
import { readAnswers, readFailures, readTuple } from '../../redis/lua-reply.js'
import type { RunScript } from '../../redis/lua-script.js'
import { createGrantQueue, type PendingGrant } from './grant-queue.js'
import { ScriptItemError } from '../../redis/script-item-error.js'
import { loadScript } from './scripts.js'
import { split } from '../../collections/split.js'
import { subWindowMs } from '../sub-window.js'

/** The message windows in Redis. */
export interface GrantCalls {
  /** Rejects alone where its own address's window goes wrong. */
  take (request: GrantRequest, settled: readonly GrantSettlement[]): Promise<Grant>
  /** Never rejects. */
  settle (settled: readonly GrantSettlement[]): void
  /** Sends at once what waits for the end of this turn. */
  flush (): void
}

export interface GrantCallOptions {
  readonly run: RunScript
  readonly keys: LimitKeys
  readonly settings: LimitSettings
  /** How many settlements go in one call, and grants, at most; on a cluster 1. */
  readonly perCall: number
  /** Called with what went wrong with settlements. */
  readonly onFailure: (error: unknown) => void
}

/** Makes the calls of `take-grant.lua` and `settle.lua`. */
export function createGrantCalls ({ run, keys, settings, perCall, onFailure }: GrantCallOptions): GrantCalls {
  const takeScript = loadScript('take-grant')
  const settleScript = loadScript('settle')
  const { messages, messageWindowMs } = settings
  const widthMs = subWindowMs(messages, messageWindowMs, GRANT_SETTLE_MS)
  const lentForMs = lentAheadForMs(settings)
  const process = randomBytes(6).toString('base64url')
  let grantsMade = 0

  async function ask (asked: readonly PendingGrant[]): Promise<void> {
    const keyList = asked.map(({ request: { address } }) => keys.messages(address))
    const fixed = [messages, messageWindowMs, widthMs, GRANT_SETTLE_MS, lentForMs]
    const reply = await run(takeScript, keyList, [...fixed, ...asked.flatMap(grantArguments)])
    const answers = readAnswers(reply, takeScript.name, asked.length)
    for (const [n, { request, nonce, resolve, reject }] of asked.entries()) {
      const answer = answers[n]
      if (typeof answer === 'string') reject(new ScriptItemError(takeScript.name, answer, keyList.slice(n, n + 1)))
      else resolve(toGrant(readTuple(answer, takeScript.name, 5), request, nonce, lentForMs))
    }
  }

  const queue = createGrantQueue(ask, perCall)

  return {
    take: async (request, settled) => await new Promise((resolve, reject) => {
      queue.add({ request, settled, nonce: `${process}${(grantsMade++).toString(36)}`, resolve, reject })
    }),
    settle (settled) {
      for (const part of split(settled, perCall)) {
        const keyList = part.map(({ address }) => keys.messages(address))
        // A lost settlement counts as all spent, until it leaves the window.
        run(settleScript, keyList, [widthMs, GRANT_SETTLE_MS, ...part.flatMap(settlementArguments)]).then((reply) => {
          for (const failure of readFailures(reply, settleScript.name, keyList)) onFailure(failure)
        }).catch(onFailure)
      }
    },
    flush: queue.flush
  }
}

function grantArguments ({ request: { demand, spare, ahead = 0 }, nonce, settled }: PendingGrant): Array<string | number> {
  return [demand, spare, nonce, ahead, settled.length, ...settled.flatMap(settlementArguments)]
}

type GrantAnswer = readonly [granted: number, retryAfterMs: number, madeAt: number, unsettledMs: number, heldAhead: number]

function toGrant (answer: GrantAnswer, { demand, spare }: GrantRequest, nonce: string, lentForMs: number): Grant {
  const [granted, retryAfterMs, madeAt, unsettledMs, heldAhead] = answer
  return {
    id: `${nonce}:${madeAt}:${Math.min(demand, granted)}`,
    granted,
    retryAfterMs,
    unsettledMs,
    isHeldAhead: heldAhead === 1,
    // What is lent ahead has as long to be settled after it has lapsed as any grant.
    lapseMs: spare === 0 && granted > demand ? lentForMs - (GRANT_SETTLE_MS - GRANT_LAPSE_MS) : GRANT_LAPSE_MS
  }
}

/** A grant's id carries what its settlement must know: nonce, time made, how many had waited for it. */
function settlementArguments ({ id, granted, spent, lastSpentMs, spentMs = [lastSpentMs] }: GrantSettlement): Array<string | number> {
  return [...id.split(':'), granted, spent, spentMs.map(Math.ceil).join(' ')]
}
