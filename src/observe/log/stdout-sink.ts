import { fstatSync, write } from 'node:fs'
import type { WriteChunk } from './chunk-queue.js'

const STDOUT_FD = 1
const BUSY_RETRY_MS = 50
/** `/dev/null` on Linux: major 1, minor 3. */
const NULL_DEVICE = 0x103

/**
 * Writes chunks to this process's standard output without blocking the event loop.
 *
 * A pipe or socket goes through `process.stdout`, which is non-blocking there. Writing it from libuv's thread pool, as
 * SonicBoom does, would hold a thread for as long as nobody reads, and pino's exit hook for it spins or throws EAGAIN.
 * Anything else (a file, a terminal) would be written synchronously by `process.stdout`, so it goes through the pool. What nobody
 * reads is not written: the way through the pool costs as much for `/dev/null`, where an operator with a log file sends it.
 */
export function createStdoutSink (): WriteChunk {
  const stats = fstatSync(STDOUT_FD)
  if (stats.isCharacterDevice() && stats.rdev === NULL_DEVICE) return async () => {}
  return stats.isFIFO() || stats.isSocket() ? createStreamSink(process.stdout) : writeToDescriptor
}

function createStreamSink (stream: NodeJS.WriteStream): WriteChunk {
  // EPIPE also arrives as an event, which would end the process if nobody listened. The write's own callback tells us.
  stream.on('error', () => {})
  return async (chunk) => {
    await new Promise<void>((resolve, reject) => {
      stream.write(chunk, (error) => {
        if (error) reject(error)
        else resolve()
      })
    })
  }
}

/** Writes the whole chunk, whatever part of it the system takes at once. */
async function writeToDescriptor (chunk: Buffer): Promise<void> {
  let rest = chunk
  while (rest.length > 0) rest = rest.subarray(await writeOnce(rest))
}

async function writeOnce (bytes: Buffer): Promise<number> {
  return await new Promise<number>((resolve, reject) => {
    write(STDOUT_FD, bytes, (error, count) => {
      if (error === null) resolve(count)
      // Another program on the same terminal may have made it non-blocking.
      else if (error.code === 'EAGAIN') setTimeout(resolve, BUSY_RETRY_MS, 0)
      else reject(error)
    })
  })
}
