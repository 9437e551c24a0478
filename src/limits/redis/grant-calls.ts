import { randomBytes } from 'node:crypto'
import type { LimitKeys } from '../../redis/keys.js'
import {
  GRANT_LAPSE_MS, GRANT_SETTLE_MS, lentAheadForMs, type Grant, type GrantRequest, type GrantSettlement, type LimitSettings
} from '../limiter.js'
import { readFailures, readTuple } from '../../redis/lua-reply.js'
import type { RunScript } from '../../redis/lua-script.js'
import { loadScript } from './scripts.js'
import { split } from '../../collections/split.js'
import { subWindowMs } from '../sub-window.js'

/** The message windows in Redis. */
export interface GrantCalls {
  take (request: GrantRequest, settled: readonly GrantSettlement[]): Promise<Grant>
  /** Never rejects. */
  settle (settled: readonly GrantSettlement[]): void
}

export interface GrantCallOptions {
  readonly run: RunScript
  readonly keys: LimitKeys
  readonly settings: LimitSettings
  /** How many settlements go in one call, at most. */
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
  return {
    async take ({ address, demand, spare, ahead = 0 }, settled) {
      const nonce = `${process}${(grantsMade++).toString(36)}`
      const fixed = [messages, messageWindowMs, widthMs, GRANT_SETTLE_MS, demand, spare, nonce, ahead, lentForMs]
      const reply = await run(takeScript, [keys.messages(address)], [...fixed, ...settled.flatMap(settlementArguments)])
      const [granted, retryAfterMs, madeAt, unsettledMs, heldAhead] = readTuple(reply, takeScript.name, 5)
      return {
        id: `${nonce}:${madeAt}:${Math.min(demand, granted)}`,
        granted,
        retryAfterMs,
        unsettledMs,
        isHeldAhead: heldAhead === 1,
        // What is lent ahead has as long to be settled after it has lapsed as any grant.
        lapseMs: spare === 0 && granted > demand ? lentForMs - (GRANT_SETTLE_MS - GRANT_LAPSE_MS) : GRANT_LAPSE_MS
      }
    },
    settle (settled) {
      for (const part of split(settled, perCall)) {
        const keyList = part.map(({ address }) => keys.messages(address))
        // A lost settlement counts as all spent, until it leaves the window.
        run(settleScript, keyList, [widthMs, GRANT_SETTLE_MS, ...part.flatMap(settlementArguments)]).then((reply) => {
          for (const failure of readFailures(reply, settleScript.name, keyList)) onFailure(failure)
        }).catch(onFailure)
      }
    }
  }
}

/** A grant's id carries what its settlement must know: nonce, time made, how many had waited for it. */
function settlementArguments ({ id, granted, spent, lastSpentMs, spentMs = [lastSpentMs] }: GrantSettlement): Array<string | number> {
  return [...id.split(':'), granted, spent, spentMs.map(Math.ceil).join(' ')]
}
