import postgres from 'postgres'
import { startPostgres } from '../support/postgres.js'
import { open, order, type LonelyBehaviour } from './world.js'

const AGENT = 'a0000000-0000-4000-8000-0000000000a1'

/** Rights from a database are read again where one process was told to. */
export const recheckBetween: LonelyBehaviour = {
  title: 'a recheck takes away what its user may no longer hear',
  async hold (t, { world, direction }) {
    const database = await startPostgres(t)
    const name = await database.createSample('gateway')
    const env = { WS_AUTHORIZER: 'postgres', DATABASE_URL: database.url('portcullis_login', name), WS_ACCESS_RECHECK_S: '3600' }
    const [asked, answering] = await Promise.all([world.start(t, direction.asked, env), world.start(t, direction.answering, env)])
    const [client, other] = await Promise.all(['carol', 'alice'].map(async (sub) => {
      const opened = await open(t, answering, world.issuer.sign({ sub }), { query: `&agent_ids=${AGENT}` })
      await opened.nextOf('subscribed')
      return opened
    }))
    const sql = postgres(database.url('postgres', name), { max: 1 })
    await sql.unsafe('delete from public.memberships where user_id = \'carol\'')
    await sql.end()
    t.equal(await order(asked, 'POST', '/v1/recheck?user_id=carol'), 204)
    t.match(await client?.nextOf('error'), { error: 'forbidden' })
    other?.send({ type: 'ping' })
    t.equal((await other?.next())?.type, 'pong', 'nobody else lost anything')
  }
}
