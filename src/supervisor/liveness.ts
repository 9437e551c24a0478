/** Time between two pings of one worker, and how long an answer may take. */
const PING_EVERY_MS = 2000

export interface LivenessOptions {
  /** Resolves when the worker answers; rejects when it fails to. */
  ping (timeoutMs: number): Promise<unknown>
  /** Pings in a row without an answer after which the worker counts as hung. Asked each time: a start may take longer. */
  maxMisses (): number
  /** The worker hangs; called at most once, and no ping follows. */
  onHung (): void
  readonly everyMs?: number
}

/**
 * Pings one worker for as long as it runs; returns how to stop. Misses are counted rather than time: when the supervisor
 * itself was frozen, or its machine asleep, one ping at most is lost and no worker pays for it.
 */
export function watchLiveness ({ ping, maxMisses, onHung, everyMs = PING_EVERY_MS }: LivenessOptions): () => void {
  let misses = 0
  let ended = false
  const onMiss = (): void => {
    if (ended || ++misses < maxMisses()) return
    ended = true
    onHung()
  }
  const timer = setInterval(() => {
    if (ended) clearInterval(timer)
    else ping(everyMs).then(() => { misses = 0 }, onMiss)
  }, everyMs)
  return () => {
    ended = true
    clearInterval(timer)
  }
}
