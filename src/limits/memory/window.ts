import { subWindowMs } from '../sub-window.js'

/** The events counted in one address's window: their times in ms, oldest first, and how many there are at each. */
export interface WindowLog {
  readonly times: number[]
  readonly counts: number[]
  sum: number
}

/** The arithmetic of a sliding window, the same as in the Lua scripts; the logs it works on belong to the caller. */
export interface SlidingWindow {
  /** Forgets the events that have left the window; returns how many are left in it. */
  update (log: WindowLog, now: number): number
  /** Counts `count` at the time `at`; a negative count takes back what was counted at the same time. */
  add (log: WindowLog, at: number, count: number): void
  /** How many are counted at the time `at`. */
  countAt (log: WindowLog, at: number): number
  /** ms until fewer than the limit are left: 1 or more. */
  waitMs (log: WindowLog, now: number): number
}

export function createWindowLog (): WindowLog {
  return { times: [], counts: [], sum: 0 }
}

/** A window of `windowMs` for `limit`; counts may lie up to `aheadMs` in the future. Exact up to a limit of 1000. */
export function createSlidingWindow (limit: number, windowMs: number, aheadMs: number): SlidingWindow {
  const widthMs = subWindowMs(limit, windowMs, aheadMs)
  // A sub-window stands at its end, so that it leaves the window in whole and late: never more than the limit.
  const stamp = widthMs === 0 ? (at: number) => at : (at: number) => (Math.floor(at / widthMs) + 1) * widthMs
  return {
    update (log, now) {
      let gone = 0
      for (const time of log.times) {
        if (time + windowMs > now) break
        log.sum -= log.counts[gone] ?? 0
        gone++
      }
      if (gone > 0) {
        log.times.splice(0, gone)
        log.counts.splice(0, gone)
      }
      return log.sum
    },
    add (log, at, count) {
      if (count === 0) return
      const time = stamp(at)
      const place = findPlace(log.times, time)
      log.sum += count
      if (log.times[place] !== time) {
        log.times.splice(place, 0, time)
        log.counts.splice(place, 0, count)
      } else {
        const held = (log.counts[place] ?? 0) + count
        if (held > 0) log.counts[place] = held
        else forgetAt(log, place)
      }
    },
    countAt (log, at) {
      const place = findPlace(log.times, stamp(at))
      return log.times[place] === stamp(at) ? log.counts[place] ?? 0 : 0
    },
    waitMs (log, now) {
      let left = log.sum
      for (const [i, time] of log.times.entries()) {
        left -= log.counts[i] ?? 0
        if (left < limit) return Math.max(1, Math.ceil(time + windowMs - now))
      }
      return 1
    }
  }
}

/** The first place whose time is not before `time`; searched from the end, where new times belong. */
function findPlace (times: readonly number[], time: number): number {
  let place = times.length
  while (place > 0 && (times[place - 1] ?? 0) >= time) place--
  return place
}

function forgetAt (log: WindowLog, place: number): void {
  log.times.splice(place, 1)
  log.counts.splice(place, 1)
}
