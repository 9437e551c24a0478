import { readFileSync } from 'node:fs'

const EVERY_MS = 500
const PAGE_BYTES = 4096
/** Loading, first compilation, first connections: not looked at. */
const WARM_UP_MS = 10_000
/** A shorter life says nothing of a leak: on a busy machine a heap settles for a minute, and gains 40 to 140 MB before it is flat. */
const LEAST_MS = 90_000
/** The heap's own ups and downs. */
const NOISE_MB = 16

const FLAT = 'the memory of a process is flat: its second half gains no more than its first, beyond what a heap breathes'

/** @typedef {{ name: string, samples: Array<{ atMs: number, mb: number }> }} Series */

function readRssMb (pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES / 2 ** 20
  } catch {
    return null
  }
}

/** MB a minute, by least squares. @param {Series['samples']} samples */
function slopeOf (samples) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [meanAt, meanMb] = [mean(samples.map(({ atMs }) => atMs)), mean(samples.map(({ mb }) => mb))]
  const over = samples.reduce((sum, { atMs, mb }) => sum + (atMs - meanAt) * (mb - meanMb), 0)
  const under = samples.reduce((sum, { atMs }) => sum + (atMs - meanAt) ** 2, 0)
  return under === 0 ? 0 : over / under * 60_000
}

/** Follows the memory of every gateway process. @param {import('./world.js').World['gateways']} gateways */
export function watchMemory (gateways) {
  /** @type {Map<number, Series>} */
  const byPid = new Map()
  const timer = setInterval(() => {
    for (const gateway of gateways) {
      for (const pid of gateway.pids()) {
        const mb = readRssMb(pid)
        if (mb === null) continue
        const series = byPid.get(pid) ?? { name: gateway.name, samples: [] }
        series.samples.push({ atMs: Date.now(), mb })
        byPid.set(pid, series)
      }
    }
  }, EVERY_MS)

  const describe = ({ name, samples }) => {
    const startMs = samples[0].atMs
    const warm = samples.filter(({ atMs }) => atMs >= startMs + WARM_UP_MS)
    const halfMs = (warm[0].atMs + warm.at(-1).atMs) / 2
    const [first, last] = [warm.filter(({ atMs }) => atMs < halfMs), warm.filter(({ atMs }) => atMs >= halfMs)]
    const halfMin = (warm.at(-1).atMs - halfMs) / 60_000
    return {
      gateway: name,
      lived_s: Math.round((warm.at(-1).atMs - startMs) / 1000),
      from_mb: Math.round(warm[0].mb),
      to_mb: Math.round(warm.at(-1).mb),
      first_half_mb_per_min: Math.round(slopeOf(first) * 10) / 10,
      second_half_mb_per_min: Math.round(slopeOf(last) * 10) / 10,
      second_half_gain_mb: Math.round(slopeOf(last) * halfMin * 10) / 10,
      first_half_gain_mb: Math.round(slopeOf(first) * halfMin * 10) / 10
    }
  }
  return {
    stop () { clearInterval(timer) },
    /** Of the processes that lived long enough. @param {import('./world.js').World['tally']} tally */
    check (tally) {
      const long = [...byPid.values()].filter(({ samples }) => samples.at(-1).atMs - samples[0].atMs >= LEAST_MS).map(describe)
      for (const one of long) {
        const allowed = Math.max(0, one.first_half_gain_mb) + NOISE_MB
        tally.check(FLAT, one.second_half_gain_mb <= allowed, () => ({ text: JSON.stringify(one) }))
      }
      return long
    }
  }
}
