import { open, stat } from 'node:fs/promises'
import { createStream, type RotatingFileStream } from 'rotating-file-stream'
import type { WriteChunk } from './chunk-queue.js'

/** A log file that this process alone writes and rotates. */
export interface LogFile {
  /** The file being written is always exactly this one; rotated ones get `.1` (newest) to `.<keep>` after it. */
  readonly path: string
  /** Size at which it is rotated, in bytes: 1 or more. */
  readonly maxBytes: number
  /** Rotated files kept: 1 or more. */
  readonly keep: number
  /** Longest time before it is rotated. Default `1d`, which ends at local midnight. */
  readonly rotateEvery?: '1d' | '1s'
}

export interface FileSinkOptions {
  readonly file: LogFile
  /** Told once per outage, and at most once a minute, in one line without a newline. */
  readonly report: (fault: string) => void
  /** ms since any fixed moment. */
  readonly now: () => number
}

export interface FileSink {
  /** Waits while the file cannot be opened, so that an outage loses only what the queue has no room for; rejects when a write failed. */
  readonly writeChunk: WriteChunk
  /** Ends the file. Resolves when it is closed; never rejects. */
  close (): Promise<void>
}

const RETRY_MS = 1000
const REPORT_INTERVAL_MS = 60_000
const PRESENCE_CHECK_MS = 1000
const FILE_MODE = 0o640
const NEWLINE = Buffer.from('\n')

/** Writes chunks to a rotated file and opens it again, by itself, after any failure. */
export function createFileSink ({ file, report, now }: FileSinkOptions): FileSink {
  let stream: RotatingFileStream | null = null
  let tornTail = false
  let failing = false
  let lastReportAtMs = -Infinity
  let presentAtMs = 0
  let closed = false
  let wakeRetry = (): void => {}

  function noteFault (error: NodeJS.ErrnoException): void {
    if (failing || closed) return
    failing = true
    if (now() - lastReportAtMs < REPORT_INTERVAL_MS) return
    lastReportAtMs = now()
    report(`cannot write the log file ${file.path}: ${error.code ?? error.message}; trying again every ${RETRY_MS} ms`)
  }

  async function openFile (): Promise<RotatingFileStream | null> {
    try {
      const opened = await openStream(file, noteFault)
      tornTail = await endsMidLine(file.path)
      presentAtMs = now()
      return opened
    } catch (error) {
      noteFault(error instanceof Error ? error : new Error(String(error)))
      return null
    }
  }

  /** A file removed under us would take lines to nowhere until the next rotation. */
  async function leaveRemovedFile (): Promise<void> {
    const current = stream
    if (current === null || now() - presentAtMs < PRESENCE_CHECK_MS) return
    presentAtMs = now()
    if (await isPresent(file.path)) return
    current.end()
    stream = null
  }

  async function currentStream (): Promise<RotatingFileStream> {
    await leaveRemovedFile()
    // A stream that failed has destroyed itself.
    while (stream === null || stream.destroyed) {
      if (closed) throw new Error('the log file is closed')
      stream = await openFile()
      // Closed while it opened: nobody else would end it, and the next turn of this loop says so.
      if (closed && stream !== null) await endStream(stream)
      if (stream === null) await new Promise<void>((resolve) => { wakeRetry = wakeAfter(RETRY_MS, resolve) })
    }
    return stream
  }

  return {
    async writeChunk (chunk) {
      const target = await currentStream()
      const bytes = tornTail ? Buffer.concat([NEWLINE, chunk]) : chunk
      tornTail = false
      await writeBytes(target, bytes)
      failing = false
    },
    async close () {
      closed = true
      wakeRetry()
      const last = stream
      stream = null
      if (last !== null) await endStream(last)
    }
  }
}

/** Opens the file and makes its directories. Later faults go to `onFault`, once per stream. */
async function openStream (file: LogFile, onFault: (error: Error) => void): Promise<RotatingFileStream> {
  const stream = createStream(file.path, {
    size: `${file.maxBytes}B`, interval: file.rotateEvery ?? '1d', rotate: file.keep, mode: FILE_MODE
  })
  await new Promise<void>((resolve, reject) => {
    stream.once('open', () => { resolve() })
    stream.once('error', reject)
  })
  stream.on('error', onFault)
  return stream
}

/** True when a crash or a full disk cut the file's last line: the next one must not be glued to it. */
async function endsMidLine (path: string): Promise<boolean> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    if (size === 0) return false
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
    return buffer[0] !== 0x0a
  } finally {
    await handle.close()
  }
}

async function isPresent (path: string): Promise<boolean> {
  return await stat(path).then(() => true, () => false)
}

async function writeBytes (stream: RotatingFileStream, bytes: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    stream.write(bytes, (error) => {
      if (error) reject(error)
      else resolve()
    })
  })
}

async function endStream (stream: RotatingFileStream): Promise<void> {
  if (stream.destroyed) return
  await new Promise<void>((resolve) => {
    stream.once('close', resolve)
    stream.end()
  })
}

/** Calls `wake` after `delayMs`, or when the returned function is called first. Does not keep the process alive. */
function wakeAfter (delayMs: number, wake: () => void): () => void {
  const timer = setTimeout(wake, delayMs).unref()
  return () => {
    clearTimeout(timer)
    wake()
  }
}
