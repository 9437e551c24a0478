import t from 'tap'
import type { AnyLine } from '../../../src/observe/events.js'
import { createLineWriter, createLog, writeEvent } from '../../../src/observe/log/log.js'

function createRecorder () {
  const lines: string[] = []
  return { lines, destination: { write (line: string) { lines.push(line) } } }
}

t.test('a line has the level as a word, an ISO time and the node, and nothing about the host', async (t) => {
  const { lines, destination } = createRecorder()
  createLog({ level: 'info', node: 'n1-0-abc', destination }).warn({ event: 'x.y' })
  const { time, ...rest } = JSON.parse(lines[0] ?? '') as Record<string, unknown>
  t.same(rest, { level: 'warn', node: 'n1-0-abc', event: 'x.y' })
  t.equal(new Date(String(time)).toISOString(), time)
})

t.test('the line writer writes exactly what pino writes', async (t) => {
  const { lines, destination } = createRecorder()
  const log = createLog({ level: 'info', node: 'n"1', destination })
  const { write: writeLine, writeMembers } = createLineWriter({ log, node: 'n"1', destination })
  const samples: AnyLine[] = [
    { event: 'access.denied', ip: '::1', user_id: undefined, insecure: true, reason: 'forbidden', topics: ['a', 'b'] },
    { event: 'fault', where: '\u0000\r\n\t"\\\ud800 \u2028 é 🙂', error: '', stack: 'x'.repeat(500) },
    { event: 'worker.exited', worker: 1.5, code: null, signal: null, restart_in_ms: 0 }
  ]
  for (const sample of samples) {
    writeEvent(log, sample)
    writeLine(sample)
    writeEvent(log, sample)
    writeMembers(sample.event, JSON.stringify(sample).slice(1))
  }
  const withoutTime = lines.map((line) => line.replace(/"time":"[^"]*"/, '"time":""'))
  for (let i = 0; i < withoutTime.length; i += 2) t.equal(withoutTime[i + 1], withoutTime[i])
  t.equal(lines.length, 12)
})

t.test('the level of the log holds for both', async (t) => {
  const { lines, destination } = createRecorder()
  const log = createLog({ level: 'warn', node: 'n1', destination })
  const { write: writeLine, writeMembers } = createLineWriter({ log, node: 'n1', destination })
  writeLine({ event: 'tls.reloaded' })
  writeEvent(log, { event: 'tls.reloaded' })
  writeMembers('tls.reloaded', '"event":"tls.reloaded"}')
  t.same(lines, [])
  writeLine({ event: 'insecure.ended', until: '' })
  writeEvent(log, { event: 'insecure.ended', until: '' })
  t.equal(lines.length, 2)
})
