import { STEADY_MS } from './terms.js'

/** A replica that takes over lacks what the master took last. */
const LOSSES = new Set(['redis_restart_empty', 'redis_old_snapshot', 'redis_fail_over', 'redis_master_lost'])

/**
 * Remembers when Redis was not up with its data, or a gateway said that it could not use it.
 * @typedef {{ kind: string, fromMs: number, toMs: number }} Interval
 * @typedef {ReturnType<typeof createSteadiness>} Steadiness
 */
export function createSteadiness () {
  /** @type {Interval[]} */
  const intervals = []
  const overlaps = (fromMs, toMs) => (one) => one.fromMs <= toMs && one.toMs >= fromMs
  return {
    intervals,
    /** @param {string} kind @returns {(atMs?: number) => void} what ends it */
    begin (kind, fromMs = Date.now()) {
      const interval = { kind, fromMs, toMs: Infinity }
      intervals.push(interval)
      return (atMs = Date.now()) => { interval.toMs = Math.min(interval.toMs, atMs) }
    },
    /** Redis came back without what it had been told last, or without anything. @param {number} fromMs @param {number} toMs */
    lossesBetween: (fromMs, toMs) => intervals.filter(one => LOSSES.has(one.kind)).filter(overlaps(fromMs, toMs)),
    /** Nothing was wrong with Redis from `fromMs` to `toMs`. */
    wasSteady: (fromMs, toMs) => !intervals.some(overlaps(fromMs, toMs)),
    /** The limits must hold for what was decided between the two: Redis had been up for one window and one lease. */
    isUnderLimits: (fromMs, toMs) => !intervals.some(overlaps(fromMs - STEADY_MS, toMs)),
    /** How long the limits had to hold between the two, in ms. */
    steadyMs (fromMs, toMs) {
      let total = 0
      let steadyFromMs = fromMs
      for (const one of intervals.toSorted((a, b) => a.fromMs - b.fromMs)) {
        total += Math.max(0, Math.min(one.fromMs, toMs) - steadyFromMs)
        steadyFromMs = Math.max(steadyFromMs, one.toMs + STEADY_MS)
      }
      return total + Math.max(0, toMs - steadyFromMs)
    }
  }
}
