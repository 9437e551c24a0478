import t from 'tap'
import { createLineQueue } from '../../../src/observe/log/line-queue.js'

/** A sink whose writes end when the test says so. */
function createHeldSink () {
  const chunks: string[] = []
  const waiting: Array<{ resolve: () => void, reject: (error: Error) => void }> = []
  return {
    chunks,
    waiting,
    writeChunk (chunk: Buffer): Promise<void> {
      chunks.push(String(chunk))
      return new Promise((resolve, reject) => { waiting.push({ resolve, reject }) })
    }
  }
}

async function turn (): Promise<void> {
  await new Promise<void>((resolve) => { setImmediate(resolve) })
  await new Promise<void>((resolve) => { setImmediate(resolve) })
}

t.test('the lines of one turn of the event loop are one write, in order', async (t) => {
  const sink = createHeldSink()
  const queue = createLineQueue({ sinks: [sink.writeChunk], maxQueuedChars: 1000, gatherMs: 0 })
  queue.write('a\n')
  queue.write('b\n')
  t.same(sink.chunks, [], 'nothing is written while the caller runs')
  await turn()
  t.same(sink.chunks, ['a\nb\n'])
})

t.test('one write is in flight at a time, and what came meanwhile follows', async (t) => {
  const sink = createHeldSink()
  const queue = createLineQueue({ sinks: [sink.writeChunk], maxQueuedChars: 1000, gatherMs: 0 })
  queue.write('a\n')
  await turn()
  queue.write('b\n')
  await turn()
  t.same(sink.chunks, ['a\n'])
  sink.waiting[0]?.resolve()
  await turn()
  t.same(sink.chunks, ['a\n', 'b\n'])
})

t.test('what comes soon after a write of many lines waits for company, until a chunk is full or somebody flushes', async (t) => {
  const chunks: string[] = []
  const writeChunk = async (chunk: Buffer): Promise<void> => { chunks.push(String(chunk)) }
  const queue = createLineQueue({ sinks: [writeChunk], maxQueuedChars: 1000, chunkChars: 20, gatherMs: 60_000 })
  const many = 'a\n'.repeat(8)
  const writeMany = async (): Promise<void> => {
    for (const line of many.match(/.\n/g) ?? []) queue.write(line)
    await turn()
  }
  queue.write('a\n')
  await turn()
  await writeMany()
  t.same(chunks, ['a\n', many], 'what comes alone, and what comes after it, goes at once')
  queue.write('b\n')
  await turn()
  queue.write('c\n')
  await turn()
  t.equal(chunks.length, 2)
  await queue.flush(60_000)
  t.equal(chunks.at(-1), 'b\nc\n')
  await writeMany()
  queue.write('d\n')
  await turn()
  t.equal(chunks.at(-1), many)
  queue.write(`${'e'.repeat(20)}\n`)
  await turn()
  t.equal(chunks.at(-1), `d\n${'e'.repeat(20)}\n`, 'a full chunk waits for nothing')
})

t.test('a chunk is closed at its length, so that one write is never long', async (t) => {
  const chunks: string[] = []
  const queue = createLineQueue({ sinks: [async (chunk) => { chunks.push(String(chunk)) }], maxQueuedChars: 1000, chunkChars: 6 })
  for (const line of ['aa\n', 'bb\n', 'cc\n', 'dd\n', 'ee\n']) queue.write(line)
  await queue.flush(1000)
  t.same(chunks, ['aa\nbb\n', 'cc\ndd\n', 'ee\n'])
})

t.test('lines beyond the bound are dropped and counted, and there is room again once a write ends', async (t) => {
  const sink = createHeldSink()
  const queue = createLineQueue({ sinks: [sink.writeChunk], maxQueuedChars: 10, gatherMs: 0 })
  for (let i = 0; i < 100; i++) queue.write('12345\n')
  t.equal(queue.dropped(), 99)
  await turn()
  queue.write('12345\n')
  t.equal(queue.dropped(), 100, 'what is in flight counts against the bound')
  sink.waiting[0]?.resolve()
  await turn()
  queue.write('last\n')
  await turn()
  t.same(sink.chunks, ['12345\n', 'last\n'])
})

t.test('the lines of a failed write are counted as dropped, and the next write goes on', async (t) => {
  const sink = createHeldSink()
  const queue = createLineQueue({ sinks: [sink.writeChunk], maxQueuedChars: 1000, gatherMs: 0 })
  queue.write('a\n')
  queue.write('b\n')
  await turn()
  queue.write('c\n')
  sink.waiting[0]?.reject(new Error('no space'))
  await turn()
  t.equal(queue.dropped(), 2)
  t.equal(sink.chunks.at(-1), 'c\n')
})

t.test('flush waits for everything queued, and no longer than it is told when the sink hangs', async (t) => {
  const sink = createHeldSink()
  const queue = createLineQueue({ sinks: [sink.writeChunk], maxQueuedChars: 1000, gatherMs: 0 })
  await queue.flush(60_000)
  queue.write('a\n')
  await queue.flush(10)
  t.same(sink.chunks, ['a\n'], 'it was handed over')
  let flushed = false
  const flushing = queue.flush(60_000).then(() => { flushed = true })
  await turn()
  t.equal(flushed, false)
  sink.waiting[0]?.resolve()
  await flushing
  t.equal(flushed, true)
})

t.test('lines are encoded once: every sink is handed the same bytes', async (t) => {
  const handed: Buffer[][] = [[], []]
  const sinks = handed.map((chunks) => async (chunk: Buffer): Promise<void> => { chunks.push(chunk) })
  const queue = createLineQueue({ sinks, maxQueuedChars: 1000, chunkChars: 6 })
  for (const line of ['aa\n', 'bb\n', 'cé\n']) queue.write(line)
  await queue.flush(1000)
  t.same(handed.map((chunks) => chunks.map(String)), [['aa\nbb\n', 'cé\n'], ['aa\nbb\n', 'cé\n']])
  t.ok(handed[0]?.every((chunk, n) => chunk === handed[1]?.[n]))
})

t.test('a sink that hangs loses lines to itself alone, and what waited for it goes out together', async (t) => {
  const hung = createHeldSink()
  const chunks: string[] = []
  const sinks = [hung.writeChunk, async (chunk: Buffer) => { chunks.push(String(chunk)) }]
  const queue = createLineQueue({ sinks, maxQueuedChars: 6, chunkChars: 4, gatherMs: 0 })
  for (const line of ['a\n', 'b\n', 'c\n', 'd\n', 'e\n']) {
    queue.write(line)
    await turn()
  }
  t.same(chunks, ['a\n', 'b\n', 'c\n', 'd\n', 'e\n'])
  t.equal(queue.dropped(), 2)
  hung.waiting[0]?.resolve()
  await turn()
  t.same(hung.chunks, ['a\n', 'b\nc\n'])
})

t.test('without a sink nothing is kept', async (t) => {
  const queue = createLineQueue({ sinks: [], maxQueuedChars: 1000 })
  queue.write('a\n')
  await queue.flush(60_000)
  t.equal(queue.dropped(), 0)
})
