import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { freshAddress } from '../support/client.js'
import { startGateway, trust, type LogLine } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { until } from '../support/until.js'
import { readDocument, ROOT } from './documents.js'
import { ATTACKS, liveThroughADay, open, REFUSED } from './log-day.js'

const LOGS = readDocument('LOGS.md')

/** The recipes of the document: each heading below "Questions" with its one command. */
function recipes (): Map<string, string> {
  const questions = LOGS.slice(LOGS.indexOf('## Questions'))
  return new Map([...questions.matchAll(/^### (.+)\n[^]*?^```sh\n([^]*?)^```$/gm)].map(([, title = '', command = '']) => [title, command]))
}

t.test('every recipe answers its question over the log of a real gateway', async (t) => {
  const { stdout: jq } = await promisify(execFile)(process.execPath, ['scripts/ensure-server.js', 'jq'], { cwd: ROOT })
  const folder = t.testdir({})
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  const attacker = freshAddress()
  await liveThroughADay(t, gateway, issuer, attacker)
  const stays = await open(t, gateway, issuer.sign({ sub: 'stays' }))
  await gateway.waitForLog('connection.accepted', line => line['user_id'] === 'stays')
  await until('the lines of those who left', () => gateway.log.filter(({ event }) => event === 'connection.closed').length === 5)
  const openNow = [...gateway.log]
  stays.socket.close(1000)
  gateway.signal('SIGTERM')
  await gateway.exited
  const log = gateway.log
  const refused = log.filter(({ event }) => event === 'connection.refused')
  const closed = log.filter(({ event }) => event === 'connection.closed')

  const run = async (title: string, lines: readonly LogLine[] = log): Promise<string[]> => {
    writeFileSync(join(folder, 'portcullis.log'), lines.map(line => `${JSON.stringify(line)}\n`).join(''))
    const command = recipes().get(title)
    if (command === undefined) throw new Error(`no recipe ${title}`)
    const path = `${jq.trim().replace(/\/jq$/, '')}:${process.env['PATH'] ?? ''}`
    const { stdout } = await promisify(execFile)('sh', ['-ec', command], { cwd: folder, env: { PATH: path } })
    return stdout.split('\n').filter(line => line !== '')
  }
  const columns = async (title: string, lines?: readonly LogLine[]): Promise<string[][]> => (await run(title, lines)).map(line => line.split('\t'))

  const answers: Readonly<Record<string, (t: Test) => Promise<unknown>>> = {
    'Who was refused, and why': async t => t.same(await columns('Who was refused, and why'),
      refused.map(line => [line['time'], line['ip'], line['user_id'] ?? '-', line['reason'], line['detail'] ?? '-'])),
    'How often for each reason': async (t) => {
      const counts = new Map((await columns('How often for each reason')).map(([count, reason = '']) => [reason, Number(count)]))
      t.same([...counts], [...counts].toSorted(([, a], [, b]) => b - a))
      t.equal([...counts.values()].reduce((sum, count) => sum + count, 0), REFUSED, 'what was held back is counted')
      t.same([counts.get('missing_token'), counts.get('not_found')], [1, 1])
    },
    'One user\'s day': async (t) => {
      t.same((await columns('One user\'s day')).map(([, event]) => event), ['connection.accepted', 'access.denied', 'connection.closed'])
      t.same(await run('One user\'s day', log.map(line => ({ ...line, time: '2001-01-01T00:00:00.000Z' }))), [], 'another day')
    },
    'Top addresses': async t => t.same((await columns('Top addresses'))[0], [String(ATTACKS), attacker]),
    'How long sessions last': async (t) => {
      const seconds = closed.map(line => Number(line['duration_ms']) / 1000).toSorted((a, b) => a - b)
      const shown = (await run('How long sessions last')).map(line => line.split(' '))
      t.same(shown.map(([name]) => name), ['sessions', 'median', 'p95', 'longest'])
      const wanted = [seconds.length, seconds[3] ?? NaN, seconds[5] ?? NaN, seconds[5] ?? NaN]
      t.same(shown.map(([, value]) => Number(value).toFixed(4)), wanted.map(value => value.toFixed(4)))
    },
    'What closed connections': async (t) => {
      const lines = (await run('What closed connections')).map(line => line.trim().replace(/\s+/g, ' '))
      t.same(lines, ['5 1000 normal', '1 4429 too_many_requests'])
    },
    'What was held back during an attack': async (t) => {
      const held = await columns('What was held back during an attack')
      t.match(held[0], [/Z$/, 'connection.refused', attacker, /./, /^\d+$/])
      t.equal(refused.length + held.reduce((sum, [,,,, count]) => sum + Number(count), 0), REFUSED)
    },
    'Who was denied what': async t => t.match(await columns('Who was denied what'), [[/Z$/, 'alice', 'agent:not-hers']]),
    'Is anybody connected who was never closed': async (t) => {
      t.match(await columns('Is anybody connected who was never closed', openNow), [[/Z$/, 'stays', /^127/, /./]])
      t.same(await run('Is anybody connected who was never closed'), [])
    },
    'What went wrong on our side': async (t) => {
      t.same(await run('What went wrong on our side'), [])
      const failed = { event: 'jwks.failed', level: 'error', time: '', node: '', issuer: 'main', reason: 'timeout', url: '' }
      t.same(await run('What went wrong on our side', [...log, failed]), [JSON.stringify(failed)])
    }
  }
  t.same([...recipes().keys()], Object.keys(answers))
  for (const [title, expectAnswer] of Object.entries(answers)) await t.test(title, async (t) => { await expectAnswer(t) })
})
