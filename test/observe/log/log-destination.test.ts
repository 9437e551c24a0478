import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { HANG_MS, until } from '../../support/until.js'
import type { WriterOrders, WriterState } from './log-writer.js'

const WRITER = fileURLToPath(new URL('log-writer.js', import.meta.url))

interface Writer {
  readonly child: ChildProcess
  /** What it told when its first lines were queued. */
  readonly first: WriterState
  ask (order?: 'write'): Promise<WriterState>
  /** Resolves with the exit code and the time it took, in ms. */
  end (): Promise<{ code: number | null, tookMs: number }>
}

/** Starts a process that writes a log. `fileBlocks`: no file of it may grow beyond so many times 512 bytes. */
async function startWriter (
  t: Test, orders: WriterOrders, stdout: 'pipe' | number, fileBlocks: number | 'unlimited' = 'unlimited'
): Promise<Writer> {
  const stdio: StdioOptions = ['ignore', stdout, 'pipe', 'ipc']
  const command = [process.execPath, WRITER, JSON.stringify(orders)]
  const child = spawn('sh', ['-c', `ulimit -f ${fileBlocks}; exec "$@"`, 'sh', ...command], { stdio, env: { ...process.env, NODE_OPTIONS: '' } })
  t.teardown(() => { child.kill('SIGKILL') })
  const [first] = await once(child, 'message') as [WriterState]
  return {
    child,
    first,
    async ask (order) {
      const answer = once(child, 'message')
      child.send(order ?? 'tell')
      const [state] = await answer as [WriterState]
      return state
    },
    async end () {
      const startedAt = performance.now()
      const exit = once(child, 'exit')
      child.send('end')
      const [code] = await exit as [number | null]
      return { code, tookMs: performance.now() - startedAt }
    }
  }
}

async function readNumbers (path: string): Promise<number[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1).filter((line) => line !== '')
  return lines.map((line) => (JSON.parse(line) as { n: number }).n)
}

t.test('nobody reads standard output: the process lives on, memory is bounded, drops are counted, and it can end', async (t) => {
  const orders = { stdout: true, file: null, maxQueuedChars: 1_000_000, lines: 200_000 }
  const writer = await startWriter(t, orders, 'pipe')
  writer.child.stdout?.pause()
  t.ok(writer.first.turns >= 2000, 'the event loop turned while the pipe was stuck')
  t.ok(writer.first.dropped > 180_000, `dropped ${writer.first.dropped}`)
  t.ok(writer.first.rssBytes < 300 * 1024 * 1024, `${writer.first.rssBytes} bytes for 40 MB of lines`)
  const { code, tookMs } = await writer.end()
  t.equal(code, 0)
  t.ok(tookMs < HANG_MS, `ended after ${tookMs} ms`)
})

t.test('a stuck standard output flows on, in order and whole, once it is read; its reader may also go away', async (t) => {
  const writer = await startWriter(t, { stdout: true, file: null, maxQueuedChars: 1_000_000, lines: 20_000 }, 'pipe')
  const stdout = writer.child.stdout
  if (stdout === null) throw new Error('no pipe')
  let text = ''
  stdout.setEncoding('utf8').on('data', (part: string) => { text += part })
  await until('what was queued arrives', () => text.length > 900_000 && text.endsWith('\n'))
  const { dropped } = await writer.ask('write')
  await until('the late line arrives', () => text.includes('"n":20000,'))
  const numbers = text.trimEnd().split('\n').map((line) => (JSON.parse(line) as { n: number }).n)
  t.same(numbers, [...numbers].sort((a, b) => a - b))
  t.equal(numbers.length + dropped, 20_001, 'written and dropped add up')
  stdout.destroy()
  await until('drops are counted', async () => (await writer.ask('write')).dropped >= dropped + 3)
  t.equal((await writer.end()).code, 0)
})

t.test('standard output that is a file gets every line', async (t) => {
  const path = join(t.testdir(), 'out.log')
  const descriptor = openSync(path, 'w')
  const writer = await startWriter(t, { stdout: true, file: null, maxQueuedChars: 10_000_000, lines: 5000 }, descriptor)
  closeSync(descriptor)
  t.equal((await writer.end()).code, 0)
  t.same(await readNumbers(path), Array.from({ length: 5000 }, (_, n) => n))
})

t.test('a full disk: told once on standard error, drops counted, and lines are written again when there is room', async (t) => {
  const path = join(t.testdir(), 'logs', 'p.log')
  const file = { path, maxBytes: 100_000_000, keep: 2 }
  const writer = await startWriter(t, { stdout: false, file, maxQueuedChars: 20_000_000, lines: 60_000 }, 'pipe', 16_384)
  let stderr = ''
  writer.child.stderr?.setEncoding('utf8').on('data', (part: string) => { stderr += part })
  await until('it is told', async () => {
    await writer.ask('write')
    return stderr.includes(path)
  })
  t.ok((await writer.ask()).dropped > 0)
  await truncate(path, 0)
  await until('lines are written again', async () => {
    await writer.ask('write')
    return (await readNumbers(path)).length >= 3
  })
  t.equal(stderr.trimEnd().split('\n').length, 1, stderr)
  writer.child.kill('SIGKILL')
})
