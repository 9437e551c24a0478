import t from 'tap'
import { readParties } from '../../src/tokens/parties.js'

t.test('the client is named as each vendor names it, and who acts for the user as RFC 8693 does', async (t) => {
  const named: ReadonlyArray<readonly [Record<string, unknown>, string | null, string | null]> = [
    [{ azp: 'web', client_id: 'other' }, 'web', null],
    [{ client_id: 'web' }, 'web', null],
    [{ cid: 'web', act: { sub: 'service', act: { sub: 'inner' } } }, 'web', 'service'],
    [{ appid: 'web', act: 'service' }, 'web', null],
    [{ azp: ['web'], act: { sub: 7 } }, null, null],
    [{ azp: '', act: [] }, null, null]
  ]
  t.same(named.map(([claims]) => readParties(claims)), named.map(([, client, actor]) => ({ client, actor })))
})
