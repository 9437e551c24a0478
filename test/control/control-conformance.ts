import type { Test } from 'tap'
import type { Control, ControlHandlers, Revocation } from '../../src/control/control.js'
import { until } from '../support/until.js'
import { identity } from './identities.js'

const LIFETIME_MS = 3_600_000

/** One process's control and what it was told to do. */
export interface Process {
  readonly control: Control
  readonly told: string[]
}

/** Handlers that write down what they are told; a revocation by whether it concerns `alice` at `main`. */
export function createRecorder (): { handlers: ControlHandlers, told: string[] } {
  const told: string[] = []
  return {
    told,
    handlers: {
      onRevoked: (matches) => { told.push(`revoked alice ${String(matches(identity()))}`) },
      onDisconnect: (userId) => { told.push(`disconnect ${userId}`) },
      onBan: (address) => { told.push(`ban ${address}`) },
      onRecheck: (userId) => { told.push(`recheck ${String(userId)}`) }
    }
  }
}

/** Opens the control of one more process. */
export type OpenControl = (settings: { readonly maxTokenLifetimeMs: number }) => Promise<Control>

/** What every control promises. `prepare` makes a fresh memory in common; those that have none are one process. */
export function testControl (t: Test, prepare: (t: Test) => Promise<OpenControl>, processes: 1 | 2): void {
  async function openAll (t: Test): Promise<[Process, Process]> {
    const open = await prepare(t)
    const opened: Process[] = []
    for (let n = 0; n < processes; n++) {
      const { handlers, told } = createRecorder()
      const control = await open({ maxTokenLifetimeMs: LIFETIME_MS })
      t.teardown(async () => { await control.close() })
      control.start(handlers)
      await until('it is loaded', () => control.loaded)
      opened.push({ control, told })
    }
    const [one, other = one] = opened
    if (one === undefined || other === undefined) throw new Error('no process')
    return [one, other]
  }
  const all: Omit<Revocation, 'kind' | 'id'> = { issuer: null, issuedBeforeMs: null }

  t.test('its functions may be passed on by themselves', async (t) => {
    const [{ control }] = await openAll(t)
    const { ban, bannedForMs, isRevoked } = control
    await ban('192.0.2.1', 60_000)
    t.ok(bannedForMs('192.0.2.1') > 0)
    t.notOk(isRevoked(identity()))
  })

  t.test('an order reaches the other process within a second', async (t) => {
    const [one, other] = await openAll(t)
    const delaysMs: number[] = []
    for (let round = 0; round < 9; round++) {
      const began = performance.now()
      await one.control.ban(`192.0.2.${round}`, 60_000)
      await until('the other knows', () => other.control.bannedForMs(`192.0.2.${round}`) > 0)
      delaysMs.push(performance.now() - began)
    }
    // Whatever slows an order down slows each of them; a busy machine leaves one of nine alone.
    t.ok(Math.min(...delaysMs) < 1000, `${delaysMs.join(', ')} ms`)
  })

  t.test('a revocation is known to every process, and can be lifted', async (t) => {
    const [one, other] = await openAll(t)
    for (const [kind, id] of [['jti', 'token-1'], ['sid', 'session-1'], ['sub', 'alice']] as const) {
      await one.control.revoke({ kind, id, ...all })
      t.equal(one.control.isRevoked(identity()), true, 'at once here')
      await until('the other knows', () => other.control.isRevoked(identity()))
      t.ok(other.told.includes('revoked alice true'))
      await other.control.unrevoke({ kind, id, issuer: null })
      await until('it is lifted', () => !one.control.isRevoked(identity()) && !other.control.isRevoked(identity()))
    }
  })

  t.test('revoking a subject means the tokens issued until now', async (t) => {
    const [one, other] = await openAll(t)
    await one.control.revoke({ kind: 'sub', id: 'alice', ...all })
    await until('the other knows', () => other.control.isRevoked(identity()))
    t.equal(other.control.isRevoked(identity({ issuedAtMs: null })), true)
    t.equal(other.control.isRevoked(identity({ issuedAtMs: Date.now() + 1000 })), false)
  })

  t.test('a ban is known to every process, lasts as stated, and can be lifted', async (t) => {
    const [one, other] = await openAll(t)
    await one.control.ban('2001:db8:1:2::/64', 60_000)
    await until('the other knows', () => other.control.bannedForMs('2001:db8:1:2::/64') > 50_000)
    t.ok(other.control.bannedForMs('2001:db8:1:2::/64') <= 60_000)
    await until('both were told', () => [one, other].every(({ told }) => told.includes('ban 2001:db8:1:2::/64')))
    await other.control.unban('2001:db8:1:2::/64')
    await until('it is lifted', () => one.control.bannedForMs('2001:db8:1:2::/64') === 0)
  })

  t.test('a ban ends by itself', async (t) => {
    const [one, other] = await openAll(t)
    await one.control.ban('192.0.2.7', 150)
    await until('it is over', () => one.control.bannedForMs('192.0.2.7') === 0 && other.control.bannedForMs('192.0.2.7') === 0)
  })

  t.test('disconnecting and re-checking reach every process once', async (t) => {
    const [one, other] = await openAll(t)
    await one.control.disconnect('kc:al|ice')
    await one.control.recheck('bob')
    await one.control.recheck(null)
    await until('the other was told', () => other.told.length >= 3)
    t.same(one.told, ['disconnect kc:al|ice', 'recheck bob', 'recheck null'])
    t.same(other.told, one.told)
  })
}
