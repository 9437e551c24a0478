import { sleep } from './processes.js'
import { describeFault } from './schedule.js'

/** One after the other: two ways for an issuer to fail at once are one. */
async function failIssuer (issuer, kind, forMs) {
  if (kind === 'issuer_rotate') return issuer.rotate()
  issuer.behave(kind.slice('issuer_'.length))
  await sleep(forMs)
  issuer.behave('normal')
}

/**
 * Lets the planned faults strike at their times.
 * @param {import('./world.js').World} world @param {import('./schedule.js').Fault[]} plan @param {(text: string) => void} say
 */
export function startFaults ({ redis, issuer, gateways, tally }, plan, say) {
  const stopping = new AbortController()
  const { signal } = stopping
  /** @type {Set<Promise<void>>} */
  const underWay = new Set()
  const startMs = Date.now()

  async function apply ({ kind, gateway: name, forMs = 0 }) {
    if (kind in redis.spans) await redis.fail(kind, forMs)
    else if (kind.startsWith('issuer_')) await failIssuer(issuer, kind, forMs)
    else return await gateways.find(one => one.name === name).fail(kind, forMs)
    return true
  }
  async function strike (fault) {
    const atMs = Date.now() - startMs
    say(describeFault({ ...fault, atMs }))
    try {
      const struck = await apply(fault)
      tally.count('faults', struck ? fault.kind : 'skipped: the gateway was not up')
    } catch (error) {
      tally.check('every fault can be made', false, () => ({ text: `${fault.kind}: ${error.message}` }))
    }
  }

  const striking = (async () => {
    for (const fault of plan) {
      while (!signal.aborted && Date.now() - startMs < fault.atMs) await sleep(20)
      if (signal.aborted) return
      const work = strike(fault)
      underWay.add(work)
      void work.then(() => underWay.delete(work))
    }
  })()
  return {
    /** No further fault; resolves when those under way are over. */
    async stop () {
      stopping.abort()
      await striking
      await Promise.all(underWay)
    }
  }
}
