import postgres from 'postgres'
import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startPostgres } from '../support/postgres.js'

const AGENT = 'a0000000-0000-4000-8000-0000000000a1'

t.test('why the database did not say what a user may see stands in the log, at an upgrade and at a re-check', async (t) => {
  const [database, issuer] = await Promise.all([startPostgres(t), startIssuer(t)])
  const name = await database.createSample('gateway')
  const owner = postgres(database.url('postgres', name), { max: 1, onnotice: () => {} })
  t.teardown(() => owner.end({ timeout: 1 }))
  const replace = async (body: string): Promise<void> => {
    await owner.unsafe(`create or replace function app.user_id () returns text language plpgsql stable as $$ begin ${body}; end $$`)
  }
  await replace('return current_setting(\'request.jwt.claims\', true)::jsonb ->> \'sub\'')
  const gateway = await startGateway(t, {
    ...trust(issuer), WS_AUTHORIZER: 'postgres', DATABASE_URL: database.url('portcullis_login', name), WS_ACCESS_RECHECK_S: '1', WS_UPGRADE_DEADLINE_MS: '60000'
  })
  const path = (sub: string): string => `/ws?agent_ids=${AGENT}&token=${issuer.sign({ sub })}`
  const client = await connect(t, gateway, path('alice'), { from: freshAddress() })
  await client.nextOf('subscribed')
  await replace('return public.dead_function(current_setting(\'request.jwt.claims\', true))')
  await gateway.waitForLog('access.failed', line => line['reason'] === 'missing' && line['detail'] === '42883')
  await replace('raise exception \'the claims are %\', current_setting(\'request.jwt.claims\')')
  const refused = await connectRefused(t, gateway, path('bob-the-secret'), { from: freshAddress() })
  t.match(refused, { status: 503, body: { error: 'unavailable', message: 'a dependency did not answer in time' } }, 'a client learns nothing of it')
  t.match(await gateway.waitForLog('connection.refused'), { reason: 'unavailable', detail: 'access: policy_raised P0001' })
  await gateway.waitForLog('access.failed', line => line['reason'] === 'policy_raised' && line['detail'] === 'P0001')
  t.same(gateway.log.filter(line => JSON.stringify(line).includes('the claims are')), [], 'what the policy says is not repeated')
})

t.test('a database that is not there at the start is told of with its cause', async (t) => {
  const [database, issuer] = await Promise.all([startPostgres(t), startIssuer(t)])
  await database.createSample('another')
  const gateway = await startGateway(t, {
    ...trust(issuer), WS_AUTHORIZER: 'postgres', DATABASE_URL: database.url('portcullis_login', 'no-such-database')
  })
  t.match(await gateway.waitForLog('access.unavailable'), { reason: 'database_missing', detail: '3D000' })
})
