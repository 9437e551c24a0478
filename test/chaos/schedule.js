import { createRandom } from './random.js'

/**
 * One fault: when, what, to which gateway, for how long.
 * @typedef {{ atMs: number, kind: string, gateway?: 'a' | 'b', forMs?: number }} Fault
 */

/** Connections that are open do not notice, nor do the limits. */
const OTHER_FAULTS = {
  issuer_away: [1500, 5000],
  issuer_html: [1500, 5000],
  issuer_slow: [1500, 4000],
  issuer_rotate: [0, 0]
}
/** For how long the gateway is gone, or stands still: mostly longer than a lease. */
const GATEWAY_FAULTS = { gateway_kill: [100, 1500], gateway_drain: [100, 1000], gateway_stop: [1500, 7000] }
/** They end no process. */
const RELAY_AND_CLOCK_FAULTS = { front_cut: [0, 0], front_half_open: [500, 4000], clock_jump: [500, 5000] }

const LONGEST_CYCLE_MS = 26_000
/** In each cycle Redis has so large a share of the time to itself: its data must stay long enough for the limits to hold again. */
const REDIS_SHARE = 0.3
const GAP_MS = [1100, 2400]

/** @param {ReturnType<typeof createRandom>} random @param {number} atMs @param {Record<string, number[]>} kinds */
function choose (random, atMs, kinds) {
  const kind = random.pick(Object.keys(kinds))
  return { atMs, kind, forMs: random.between(...kinds[kind]) }
}

function chooseOther (random, atMs, mayRestartB) {
  const fault = choose(random, atMs, random.pick([OTHER_FAULTS, GATEWAY_FAULTS, RELAY_AND_CLOCK_FAULTS]))
  if (fault.kind in OTHER_FAULTS) return fault
  const restarts = fault.kind === 'gateway_kill' || fault.kind === 'gateway_drain'
  const gateway = random.chance(0.6) || (!mayRestartB && restarts) ? 'a' : 'b'
  return { ...fault, gateway }
}

/**
 * The faults of a run, in order. In its second half the gateway `b` is not restarted, so that its memory can be followed.
 * @param {number} seed @param {number} durationMs
 * @param {Record<string, number[]>} redisFaults those of the topology, with their spans in ms
 * @returns {Fault[]}
 */
export function planFaults (seed, durationMs, redisFaults) {
  const random = createRandom(seed)
  const cycles = Math.max(1, Math.round(durationMs / LONGEST_CYCLE_MS))
  const cycleMs = durationMs / cycles
  const faults = []
  let atMs = random.between(800, 1500)
  while (atMs < durationMs - 500) {
    const isRedisTime = (atMs % cycleMs) / cycleMs > 1 - REDIS_SHARE
    const redisFails = isRedisTime && random.chance(0.65)
    faults.push(redisFails ? choose(random, atMs, redisFaults) : chooseOther(random, atMs, atMs < durationMs / 2))
    atMs += random.between(...GAP_MS)
  }
  return faults
}

/** @param {Fault} fault */
export function describeFault ({ atMs, kind, gateway, forMs }) {
  const target = gateway === undefined ? '' : ` ${gateway}`
  return `${(atMs / 1000).toFixed(1).padStart(6)} s  ${kind}${target}${forMs > 0 ? ` for ${forMs} ms` : ''}`
}
