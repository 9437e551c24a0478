import t from 'tap'
import { AccessError, UnsafeDatabaseError } from '../../src/access/access-error.js'
import type { Authorizer, Visible } from '../../src/access/authorizer.js'
import { tellAccessFaults } from '../../src/gateway/tell-access-faults.js'
import { createLog } from '../../src/observe/log/log.js'
import { identityOf } from '../access/identity-of.js'

type Line = Readonly<Record<string, unknown>>

t.test('each cause is a line at first, then one a minute with how often; unsafe and closing are told elsewhere', async (t) => {
  const lines: Line[] = []
  let [nowMs, answer] = [0, (): Visible | Promise<Visible> => ({ agents: [], tasks: [] })]
  const authorizer: Authorizer = { local: false, visible: () => answer(), forget () {}, close: async () => {} }
  const log = createLog({ level: 'info', node: 'n', destination: { write: (text) => { lines.push(JSON.parse(text) as Line) } } })
  const telling = tellAccessFaults(authorizer, log, () => nowMs)
  const ask = async (): Promise<unknown> => {
    try {
      return await telling.visible(identityOf('alice'), '', { agents: ['a'], tasks: [] }, { fresh: true })
    } catch (error) {
      return error
    }
  }
  t.same(await ask(), { agents: [], tasks: [] })
  const raised = new AccessError('policy_raised', 'words', { code: 'P0001', answered: true })
  answer = () => Promise.reject(raised)
  for (let n = 0; n < 5; n++) t.equal(await ask(), raised, 'who asked hears it')
  answer = () => Promise.reject(new AccessError('timeout', 'words'))
  await ask()
  answer = () => { throw new Error('of a program\'s own authorizer') }
  await ask()
  for (const error of [new UnsafeDatabaseError(['reason']), new AccessError('stopping', 'words')]) {
    answer = () => Promise.reject(error)
    await ask()
  }
  t.match(lines, [
    { event: 'access.failed', level: 'error', reason: 'policy_raised', detail: 'P0001', count: 1 },
    { reason: 'timeout', count: 1 }, { reason: 'unknown', count: 1 }
  ])
  t.equal(lines.length, 3)
  nowMs += 60_000
  answer = () => Promise.reject(raised)
  await ask()
  t.match(lines[3], { reason: 'policy_raised', count: 5 })
})
