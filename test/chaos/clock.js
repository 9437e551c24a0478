import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PRELOAD = new URL('./shift-clock.js', import.meta.url).href

/** The wall clock of a gateway's processes, which can be set without the machine's. */
export function createClock () {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-chaos-clock-'))
  process.once('exit', () => { rmSync(folder, { recursive: true, force: true }) })
  const file = join(folder, 'shift-ms')
  let shifts = [0]
  return {
    settings: { NODE_OPTIONS: `--import=${PRELOAD}`, CHAOS_CLOCK_FILE: file },
    /** @param {number[]} pids @param {number} shiftMs against the machine's clock */
    set (pids, shiftMs) {
      writeFileSync(file, String(shiftMs))
      shifts = [...shifts.slice(-2), shiftMs]
      for (const pid of pids) process.kill(pid, 'SIGUSR2')
    },
    /** A process that has just started has the machine's clock. */
    reset () { shifts = [0] },
    /**
     * When a line was written by the machine's clock: by the shift of late that puts it nearest to now.
     * @param {string} time of the line
     */
    correct (time) {
      if (shifts.length === 1) return time
      const nowMs = Date.now()
      const candidates = shifts.map(shiftMs => Date.parse(time) - shiftMs)
      const nearest = candidates.reduce((best, atMs) => Math.abs(atMs - nowMs) < Math.abs(best - nowMs) ? atMs : best)
      return new Date(nearest).toISOString()
    }
  }
}
