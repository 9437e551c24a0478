import t from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'

// Which codes a client may close with, so that the log has them: as PROTOCOL.md and LIFECYCLE.md say.
t.test('a close by the client is normal with its code; the native layer hides those from 1012 to 3999', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  const logged: unknown[] = []
  const cases = [[1000, 1000, 'normal'], [1011, 1011, 'normal'], [4000, 4000, 'normal'], [4999, 4999, 'normal'],
    [1012, 1006, 'connection_lost'], [1014, 1006, 'connection_lost'], [3000, 1006, 'connection_lost'], [3999, 1006, 'connection_lost']] as const
  for (const [sent] of cases) {
    const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: `closes-${sent}` })}`, { from: freshAddress() })
    client.socket.close(sent)
    const { code, reason } = await gateway.waitForLog('connection.closed', line => line['user_id'] === `closes-${sent}`)
    logged.push([sent, code, reason])
  }
  t.same(logged, cases.map(each => [...each]))
})
