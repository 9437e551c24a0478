import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import type { Input } from './fuzz.js'

/** Longest wait for an answer that may never come, in ms. */
const PATIENCE_MS = 60

/** Resolves with the next bytes, the end, or when the patience is over. */
async function waitForAnswer (socket: Socket): Promise<void> {
  if (socket.destroyed) return
  const over = AbortSignal.timeout(PATIENCE_MS)
  await Promise.race(['data', 'close'].map(async (event) => { await once(socket, event, { signal: over }).catch(() => {}) }))
}

/** Plays one input against the gateway; resolves once the connection is over on this side. */
export async function playInput (port: number, { from, steps, end }: Input): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true })
  socket.on('error', () => { /* resets are part of the game */ })
  socket.on('data', () => {})
  const closed = new Promise<void>((resolve) => { socket.once('close', () => { resolve() }) })
  await Promise.race([once(socket, 'connect').catch(() => {}), closed])
  for (const step of steps) {
    if (socket.destroyed || !socket.writable) break
    if (step === 'answer') await waitForAnswer(socket)
    else if (step === 'turn') await turn()
    else socket.write(step.write)
  }
  if (end === 'reset') socket.resetAndDestroy()
  else {
    socket.end()
    await waitForAnswer(socket)
    socket.destroy()
  }
  await closed
}
