// Loaded before the gateway (NODE_OPTIONS=--import): on SIGUSR2 its wall clock is set, by as many ms as the file says. Only
// this process's: the machine's clock stays, and so do monotonic time and Redis's clock, which nothing here can set.
import { readFileSync } from 'node:fs'

const RealDate = Date
let shiftMs = 0

globalThis.Date = class extends RealDate {
  constructor (...args) {
    if (args.length === 0) super(RealDate.now() + shiftMs)
    else super(...args)
  }

  static now () { return RealDate.now() + shiftMs }
}
process.on('SIGUSR2', () => { shiftMs = Number(readFileSync(process.env.CHAOS_CLOCK_FILE, 'utf8')) })
