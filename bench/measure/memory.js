import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { untilQuiet } from './cpu.js'

/** Options of Node for a server that is to collect its garbage before its memory is read. */
export const COLLECTING = ['--expose-gc', '--import', fileURLToPath(new URL('../servers/collect-garbage.js', import.meta.url))]

/**
 * Resident memory of a server, all its processes, in bytes, once it is quiet and has collected its garbage: as it does when it
 * is asked to, or when it was started with `COLLECTING`.
 * @param {{ pid: number, pids?: number[], collectGarbage?: () => Promise<void> }} server
 * @param {number} [connections] that each of its processes holds
 */
export async function readRssBytes ({ pid, pids = [pid], collectGarbage }, connections = 0) {
  await untilQuiet(pids, connections)
  if (collectGarbage === undefined) for (const one of pids) process.kill(one, 'SIGUSR2')
  else await collectGarbage()
  await untilQuiet(pids, connections)
  return pids.reduce((sum, one) => sum + readRssOf(one), 0)
}

/** Resident memory of one process as it is, in bytes. @param {number} pid */
export function readRssOf (pid) {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024
}

/** Files that this process, and so its children, may have open. */
export function maxOpenFiles () {
  return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0)
}

/** @param {number} connections that one process is to hold */
export function requireOpenFiles (connections) {
  const needed = connections + 200
  const may = maxOpenFiles()
  if (may < needed) throw new Error(`this case needs ${needed} open files in a process and may have ${may}: raise it with ulimit -n`)
}
