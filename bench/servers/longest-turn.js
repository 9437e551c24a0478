// Loaded before a server: from one SIGUSR2 to the next it looks after each turn of its event loop how much CPU its main thread has
// had, and writes the longest, in µs, to the file that LONGEST_TURN_FILE names. CPU, as wall time would count what others did.
import { openSync, readSync, writeFileSync } from 'node:fs'

const bytes = Buffer.alloc(64)
const stat = openSync('/proc/thread-self/schedstat', 'r')
const readCpuUs = () => Number(bytes.toString('latin1', 0, readSync(stat, bytes, 0, bytes.length, 0)).split(' ')[0]) / 1000
let watch = null

process.on('SIGUSR2', () => {
  if (watch !== null) {
    writeFileSync(process.env.LONGEST_TURN_FILE, String(watch.longestUs))
    watch = null
    return
  }
  const own = watch = { longestUs: 0, lastUs: readCpuUs() }
  const look = () => {
    if (watch !== own) return
    const us = readCpuUs()
    own.longestUs = Math.max(own.longestUs, us - own.lastUs)
    own.lastUs = us
    setImmediate(look)
  }
  setImmediate(look)
})
