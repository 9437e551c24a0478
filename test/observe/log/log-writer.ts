import { createLogDestination } from '../../../src/observe/log/log-destination.js'
import type { LogFile } from '../../../src/observe/log/file-sink.js'

/** What a child process that runs this file is told by its first argument, in JSON. */
export interface WriterOrders {
  readonly stdout: boolean
  readonly file: LogFile | null
  readonly maxQueuedChars: number
  /** Lines written before `ready` is told, a hundred a turn of the event loop. */
  readonly lines: number
}

/** What the child tells its parent over the IPC channel each time it is asked. */
export interface WriterState { readonly dropped: number, readonly turns: number, readonly rssBytes: number }

const LINE_PADDING = 'x'.repeat(180)

async function run (orders: WriterOrders): Promise<void> {
  const destination = createLogDestination(orders)
  let turns = 0
  let written = 0
  function tell (): void {
    const state: WriterState = { dropped: destination.dropped(), turns, rssBytes: process.memoryUsage.rss() }
    process.send?.(state)
  }
  function writeLine (): void { destination.write(`${JSON.stringify({ n: written++, padding: LINE_PADDING })}\n`) }
  // A size limit (ulimit -f) then fails the write with EFBIG instead of ending the process.
  process.on('SIGXFSZ', () => {})
  process.on('message', (order) => {
    if (order === 'write') writeLine()
    if (order === 'end') void destination.close(500).then(() => { process.exit(0) })
    else tell()
  })
  while (written < orders.lines) {
    for (let i = 0; i < 100; i++) writeLine()
    turns++
    await new Promise<void>((resolve) => { setImmediate(resolve) })
  }
  tell()
}

const orders = process.argv[2]
// The suite imports every file; only the child has orders.
if (orders !== undefined && process.send !== undefined) await run(JSON.parse(orders) as WriterOrders)
