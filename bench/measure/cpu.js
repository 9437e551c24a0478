import { readdirSync, readFileSync } from 'node:fs'

/** A process whose CPU changes by less than this in one look is quiet: its timers alone cost that much. */
const QUIET_US_PER_LOOK = 400
const LOOK_EVERY_MS = 20
/** What an open connection may cost in such a look: twice what its lease, its pings and its deadlines were seen to. */
const REST_US_PER_LOOK = 0.04
const QUIET_LOOKS = 3
const QUIET_TIMEOUT_MS = 30_000

/**
 * CPU time of a process so far, all its threads, user and system, in µs. The kernel counts nanoseconds here, where
 * /proc/<pid>/stat counts ticks of 10 ms.
 * @param {number} pid
 */
export function readCpuUs (pid) {
  let ns = 0
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      ns += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0])
    } catch {
      // The thread ended between the two reads.
    }
  }
  return ns / 1000
}

/**
 * A process and those that it has started.
 * @param {number} pid
 * @returns {number[]}
 */
export function listTree (pid) {
  const children = readdirSync(`/proc/${pid}/task`)
    .flatMap(task => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number))
  return [pid, ...children.flatMap(listTree)]
}

/** @param {number} ms */
const pause = ms => new Promise((resolve) => { setTimeout(resolve, ms) })

/**
 * Waits until processes have done what was still due: several looks in a row without work. Rejects after 30 s.
 * @param {number[]} pids @param {number} [connections] that each of them holds
 */
export async function untilQuiet (pids, connections = 0) {
  const quietUs = QUIET_US_PER_LOOK + connections * REST_US_PER_LOOK
  const endAt = performance.now() + QUIET_TIMEOUT_MS
  let quietLooks = 0
  let before = pids.map(readCpuUs)
  while (quietLooks < QUIET_LOOKS) {
    if (performance.now() > endAt) throw new Error(`processes ${pids.join(', ')} are still busy after ${QUIET_TIMEOUT_MS} ms`)
    await pause(LOOK_EVERY_MS)
    const after = pids.map(readCpuUs)
    quietLooks = after.every((us, i) => us - before[i] < quietUs) ? quietLooks + 1 : 0
    before = after
  }
}
