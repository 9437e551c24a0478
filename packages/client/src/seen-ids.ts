/** Most ids that are remembered; the oldest go first. */
const MAX_IDS = 10_000
/** Most times of publication that are remembered of one id: it has more than one only where a clock was set. */
const MAX_TIMES = 4
/** Of a gateway that has not said how long it knows them, in s. */
const KEEP_S = 300

/** Ids that publishers gave to events. */
export interface SeenIds {
  /** False: the topic had an event of this id. `ts`: when it was published, ISO 8601. */
  isNew (topic: string, id: string, ts: string): boolean
  /** The gateway knows ids for this time, in s; what is no time leaves it as it was. */
  keepFor (seconds: unknown): void
}

/**
 * Remembers ids for as long as the gateway, by the publisher's clock, as it does, and by the own one (`now`: monotonic, in ms), as the
 * publisher's may be set: a retry of a publication whose first copy the gateway has lost comes within that time, and later the same id
 * may be another event's.
 */
export function createSeenIds (now: () => number): SeenIds {
  let keepMs = KEEP_S * 1000
  const seen = new Map<string, { readonly timesMs: readonly number[], readonly seenAtMs: number }>()
  return {
    isNew (topic, id, ts) {
      const atMs = Date.parse(ts)
      const key = JSON.stringify([topic, id])
      const before = seen.get(key)?.timesMs ?? []
      // A clock that is set forth and back makes the newest time the one that is far away.
      if (before.some(timeMs => Math.abs(atMs - timeMs) <= keepMs)) return false
      seen.delete(key)
      const seenAtMs = now()
      seen.set(key, { timesMs: [...before, atMs].slice(-MAX_TIMES), seenAtMs })
      // A retry may be published at the end of that time, and be kept for as long again before it is delivered.
      const forgetMs = 2 * keepMs
      for (const [oldest, { timesMs, seenAtMs: oldestSeenAtMs }] of seen) {
        if (seen.size <= MAX_IDS && !(atMs - Number(timesMs.at(-1)) > forgetMs && seenAtMs - oldestSeenAtMs > forgetMs)) break
        seen.delete(oldest)
      }
      return true
    },
    keepFor (seconds) { if (typeof seconds === 'number' && seconds > 0) keepMs = seconds * 1000 }
  }
}
