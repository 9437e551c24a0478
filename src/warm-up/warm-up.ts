import { randomUUID } from 'node:crypto'
import type { Config } from '../config/config.js'
import { createGateway, type Gateway } from '../gateway/create-gateway.js'
import type { Timers } from '../timers.js'
import { createTokenVerifier } from '../tokens/verify.js'
import { toRehearsalConfig } from './rehearsal-config.js'
import { openVisitors, type Visitors } from './visitors.js'

export interface WarmUpDeps {
  readonly timers: Timers
  readonly openVisitors?: typeof openVisitors
  /** More than this takes nobody: V8 has compiled what there is to compile. */
  readonly visits?: number
}

/** A process that takes longer than this to warm up is ready cold. */
export const WARM_UP_MS = 2000
const VISITS = 16_000
/** Not as a worker of a supervisor: that number is this process's own, and the rehearsal's lines go nowhere. */
const REHEARSAL = 1

type WarmUp = (config: Config, leaving: AbortSignal) => Promise<void>

/**
 * Makes what has V8 compile the way of an upgrade before anybody takes it: a second gateway of the same code, on a free port of
 * loopback, with a Redis of its own that keeps nothing, and visitors who come with tokens of an issuer that only they know.
 * Nothing of it is counted, logged, kept, or asked of another host. Its promise resolves after 2 s at the latest, and soon
 * after `leaving` is aborted; when all that it opened is closed. It never rejects: a process that cannot be warmed is ready cold.
 */
export function createWarmUp (deps: WarmUpDeps): WarmUp {
  const open = deps.openVisitors ?? openVisitors
  return async (config, leaving) => {
    if (leaving.aborted) return
    const issuer = randomUUID()
    const over = endOf(leaving, deps.timers)
    let visitors: Visitors | null = null
    try {
      visitors = open({ kind: 'warm-up', issuer, visits: deps.visits ?? VISITS })
      await rehearse(config, issuer, visitors, over.signal)
    } catch {
      // Neither who is late nor what is away keeps a process from its work.
    }
    over.forget()
    await visitors?.end()
  }
}

/** One signal for the end that is near, whichever it is. */
function endOf (leaving: AbortSignal, timers: Timers): { readonly signal: AbortSignal, forget (): void } {
  const over = new AbortController()
  const end = (): void => { over.abort(new Error('the warm-up is over')) }
  leaving.addEventListener('abort', end, { once: true })
  const callOff = timers.after(WARM_UP_MS, end)
  return {
    signal: over.signal,
    forget () {
      callOff()
      leaving.removeEventListener('abort', end)
    }
  }
}

/** Rejects once the signal is aborted, also where it was before. */
async function whenOver (signal: AbortSignal): Promise<never> {
  return await new Promise((_resolve, reject) => {
    const end = (): void => { reject(signal.reason instanceof Error ? signal.reason : new Error('the warm-up is over')) }
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
}

async function rehearse (config: Config, issuer: string, visitors: Visitors, over: AbortSignal): Promise<void> {
  const ended = whenOver(over)
  ended.catch(() => {})
  const { redisPort, jwk } = await Promise.race([visitors.opened, ended])
  const origin = `https://${randomUUID()}.invalid`
  const gateway = openStage(toRehearsalConfig(config, { issuer, origin, redisPort }), jwk)
  try {
    const started = gateway.start()
    started.catch(() => {})
    const { port } = await Promise.race([started, ended])
    await Promise.race([visitors.visit({ port, origin }), ended])
  } finally {
    // Asked twice, it does not wait for anybody. The stand-in of Redis is still there, or the stop would wait for it.
    await Promise.all([gateway.stop('warm'), gateway.stop('warm')]).catch(() => {})
  }
}

function openStage (config: Config, jwk: object): Gateway {
  const tokens = createTokenVerifier(config.tokens, {
    fetchJson: async () => ({ ok: true, document: { keys: [jwk] } }),
    onRefreshed () {},
    onFailed () {}
  })
  return createGateway({ config, parts: { tokens }, log: { write () {} }, worker: REHEARSAL })
}
