import t, { type Test } from 'tap'
import { createControlState } from '../../src/control/control-state.js'
import { LedgerReader } from '../../src/control/ledger-reader.js'
import { createOrderLists } from '../../src/control/list-orders.js'
import { createOrderStore, type OrderStore } from '../../src/control/order-store.js'
import { createControlKeys } from '../../src/redis/keys.js'
import { openClient } from '../bus/clients.js'
import { startRedis } from '../support/redis.js'
import { HANG_MS, until } from '../support/until.js'

const ADDRESS = '192.0.2.8'
const BAN_MS = 60_000
/** Between two steps of a reading, as where 100,000 entries are read. */
const BETWEEN_MS = 100

/** A reading in whose midst, `BETWEEN_MS` after Redis's clock was read, somebody bans an address. */
async function openSlowReading (t: Test, step: 'readRecords' | 'readSet') {
  const client = await openClient(t, await startRedis(t))
  const state = createControlState({ revocationMs: BAN_MS, now: () => performance.now() })
  const open = (name: 'bans' | 'revocations'): OrderStore => createOrderStore({
    client, keys: createControlKeys('')[name], terms: state.terms[name], timeoutMs: HANG_MS, onUnreadable: () => { t.fail('unreadable') }
  })
  const bans = open('bans')
  async function banMeanwhile (): Promise<void> {
    const beganMs = performance.now()
    await until('some time has passed', () => performance.now() - beganMs > BETWEEN_MS)
    await bans.settle([{ name: ADDRESS, want: 'give', givenAtUs: 0, remainingMs: BAN_MS, member: ADDRESS }], 0)
  }
  const slow: OrderStore = {
    ...bans,
    async readRecords (...args) {
      if (step === 'readRecords') await banMeanwhile()
      return await bans.readRecords(...args)
    },
    async readSet (...args) {
      if (step === 'readSet') await banMeanwhile()
      return await bans.readSet(...args)
    }
  }
  return { state, stores: { bans: slow, revocations: open('revocations') } }
}

t.test('an order given while all is read lasts no longer than was said', async (t) => {
  const { state, stores } = await openSlowReading(t, 'readRecords')
  const fail = (): void => { t.fail('nothing is unreadable, or lost') }
  const reader = new LedgerReader({ name: 'bans', state, store: stores.bans, onUnreadable: fail, onWrittenBack: fail })
  await reader.readAll()
  const leftMs = state.bannedForMs(ADDRESS)
  t.ok(leftMs > 0 && leftMs <= BAN_MS, `${leftMs} ms`)
})

t.test('and is listed with no longer time than was said', async (t) => {
  const { state, stores } = await openSlowReading(t, 'readSet')
  const page = await createOrderLists(stores, state.terms).listBans({ limit: 10, after: null })
  const leftMs = page?.entries[0]?.remainingMs ?? 0
  t.ok(leftMs > 0 && leftMs <= BAN_MS, `${leftMs} ms`)
})
