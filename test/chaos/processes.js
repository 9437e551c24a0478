import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()
/** @type {Set<number>} */
const halted = new Set()
// However this process ends, those that it started end with it. SIGKILL reaches a halted one too, but a worker that is
// halted must run again to see that its supervisor is gone.
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  for (const pid of halted) resume(pid)
})

/** Lets a process stand still. @param {number} pid */
export function halt (pid) {
  halted.add(pid)
  process.kill(pid, 'SIGSTOP')
}

/** Lets it go on; one that has ended meanwhile is none the worse. @param {number} pid */
export function resume (pid) {
  if (!halted.delete(pid)) return
  try {
    process.kill(pid, 'SIGCONT')
  } catch { /* it is gone */ }
}

/**
 * Starts a program that ends with this one at the latest.
 * @param {string} program @param {string[]} args @param {Record<string, string>} env
 */
export function startProcess (program, args, env) {
  const child = spawn(program, args, { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  child.once('close', () => { running.delete(child) })
  child.once('error', () => { running.delete(child) })
  return child
}

export const hasEnded = (child) => child.exitCode !== null || child.signalCode !== null

/** Ends a child at once and waits until it is gone. */
export async function endProcess (child) {
  if (hasEnded(child)) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms) })

/** True as soon as the condition holds; false when it did not within `limitMs`. @param {() => boolean | Promise<boolean>} condition */
export async function becomesTrue (condition, limitMs) {
  const giveUpAt = Date.now() + limitMs
  while (!await condition()) {
    if (Date.now() > giveUpAt) return false
    await sleep(25)
  }
  return true
}
