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
      onRevoked: ({ matches }) => { told.push(`revoked alice ${String(matches(identity()))}`) },
      onDisconnect: (userId) => { told.push(`disconnect ${userId}`) },
      onBanned: (addresses) => { for (const address of addresses) told.push(`ban ${address}`) },
      onRecheck: (userId) => { told.push(`recheck ${String(userId)}`) }
    }
  }
}

/** Opens the control of one more process. */
export type OpenControl = (settings: { readonly maxTokenLifetimeMs: number, readonly issuers: readonly string[] }) => Promise<Control>

/** What every control promises. `prepare` makes a fresh memory in common; those that have none are one process. */
export function testControl (t: Test, prepare: (t: Test) => Promise<OpenControl>, processes: 1 | 2): void {
  async function openAll (t: Test): Promise<[Process, Process]> {
    const open = await prepare(t)
    const opened: Process[] = []
    for (let n = 0; n < processes; n++) {
      const { handlers, told } = createRecorder()
      const control = await open({ maxTokenLifetimeMs: LIFETIME_MS, issuers: ['main', 'other'] })
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
      await until('it was told', () => other.told.includes('revoked alice true'))
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
    const leftMs = other.control.bannedForMs('2001:db8:1:2::/64')
    t.ok(leftMs <= 60_000, `${leftMs} ms`)
    await until('both were told', () => [one, other].every(({ told }) => told.includes('ban 2001:db8:1:2::/64')))
    await other.control.unban('2001:db8:1:2::/64')
    await until('it is lifted', () => one.control.bannedForMs('2001:db8:1:2::/64') === 0)
  })

  t.test('of orders under one name the last counts, however fast they follow', async (t) => {
    const [one, other] = await openAll(t)
    for (let round = 0; round < 5; round++) {
      await one.control.ban('192.0.2.8', 600_000)
      await other.control.unban('192.0.2.8')
      await one.control.ban('192.0.2.8', 60_000)
    }
    await until('it is banned', () => other.control.bannedForMs('192.0.2.8') > 0)
    await until('and for no longer than was said last', () => [one, other].every(({ control }) => control.bannedForMs('192.0.2.8') <= 60_000))
    for (let round = 0; round < 5; round++) {
      await one.control.revoke({ kind: 'jti', id: 'token-1', ...all })
      await other.control.unrevoke({ kind: 'jti', id: 'token-1', issuer: null })
    }
    await until('it is lifted', () => [one, other].every(({ control }) => !control.isRevoked(identity())))
  })

  t.test('a revocation taken back for any issuer is so for each, for one issuer for that one alone', async (t) => {
    const [one, other] = await openAll(t)
    const revoke = async (issuer: string | null): Promise<void> => {
      await one.control.revoke({ kind: 'sid', id: 'session-1', issuer, issuedBeforeMs: null })
    }
    const isRevokedBy = (issuer: string): boolean => other.control.isRevoked(identity({ issuer }))
    for (const issuer of ['main', 'other', null]) await revoke(issuer)
    await until('all are known', () => isRevokedBy('third'))
    await other.control.unrevoke({ kind: 'sid', id: 'session-1', issuer: null })
    const isLifted = ({ control }: Process): boolean => ['main', 'other', 'third'].every(issuer => !control.isRevoked(identity({ issuer })))
    await until('all are lifted', () => isLifted(one) && isLifted(other))
    await revoke('main')
    await revoke('other')
    await until('both are known', () => isRevokedBy('main') && isRevokedBy('other'))
    await one.control.unrevoke({ kind: 'sid', id: 'session-1', issuer: 'main' })
    await until('one is lifted', () => !isRevokedBy('main'))
    t.equal(isRevokedBy('other'), true)
  })

  t.test('a second revocation of the same name takes nothing of the first back', async (t) => {
    const [one, other] = await openAll(t)
    const revoke = async (control: Control, issuedBeforeMs: number): Promise<void> => {
      await control.revoke({ kind: 'sub', id: 'alice', issuer: 'main', issuedBeforeMs })
    }
    const isRevoked = (control: Control, issuedAtMs: number): boolean => (
      control.isRevoked(identity({ issuedAtMs, tokenId: null, sessionId: null }))
    )
    await revoke(one.control, 5000)
    await revoke(other.control, 4000)
    await revoke(one.control, 6000)
    await until('all is known', () => isRevoked(other.control, 5500))
    const seen = [one, other].map(({ control }) => [4500, 5999, 6000].map(at => isRevoked(control, at)))
    t.same(seen, [[true, true, false], [true, true, false]])
  })

  t.test('what stands is listed in pages, in a stable order, each once, and what was taken back is not', async (t) => {
    const [one, other] = await openAll(t)
    const addresses = Array.from({ length: 7 }, (_, n) => `198.51.100.${n}`)
    for (const [n, address] of addresses.entries()) await one.control.ban(address, 60_000 + 1000 * n)
    await one.control.ban('192.0.2.9', 90_000)
    await one.control.unban('192.0.2.9')
    const found: string[] = []
    for (let after: string | null = null, pages = 0; pages < 4; pages++) {
      const page = await other.control.listBans({ limit: 2, after })
      found.push(...page?.entries.map(({ address }) => address) ?? [])
      after = page?.next ?? null
      t.equal(after === null, pages === 3, `page ${pages}`)
    }
    t.same(found, addresses)
    const [first] = (await other.control.listBans({ limit: 1, after: null }))?.entries ?? []
    t.ok(first !== undefined && first.remainingMs > 50_000 && first.remainingMs <= 60_000)
    t.equal(await other.control.listBans({ limit: 2, after: 'nonsense' }), null)
    const revocation = { kind: 'jti', id: 'token-1', issuer: 'main', issuedBeforeMs: null } as const
    await one.control.revoke(revocation)
    t.match(await other.control.listRevocations({ limit: 2, after: null }), { entries: [{ revocation }], next: null })
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
