import { randomUUID } from 'node:crypto'
import { split } from '../collections/split.js'
import type { RedisClient } from '../redis/client.js'
import { createControlKeys } from '../redis/keys.js'
import type { LastingBan } from './bans.js'
import { MAX_BANS, MAX_REVOCATIONS, type Revocation, type RevocationTarget } from './control.js'
import type { ControlSnapshot } from './control-state.js'
import { createExpiringSet } from './expiring-set.js'
import { parseKeptRevocation } from './messages.js'

/** Orders that are written back at once. */
const RESTORED_TOGETHER = 200

export interface ControlStoreOptions {
  readonly client: RedisClient
  readonly prefix: string
  /** How long one script call may take, 1 or more; longer rejects. */
  readonly timeoutMs: number
  /** An entry was found that this version cannot read. */
  readonly onUnreadable: () => void
}

/** What is kept, and the name of the data set it is in: another name means that Redis has lost what it had. */
interface KeptSnapshot extends ControlSnapshot { readonly dataSet: string }

export type ControlStore = ReturnType<typeof createControlStore>

/**
 * Keeps revocations and bans in Redis: `<prefix>ws:revocations` and `<prefix>ws:bans` are sorted sets scored by expiry,
 * which is what processes read. `<prefix>ws:ban:<address>` stands beside each ban, with its TTL, for operators to look at:
 * setting or deleting that key by hand has no effect.
 */
export function createControlStore ({ client, prefix, timeoutMs, onUnreadable }: ControlStoreOptions) {
  const keys = createControlKeys(prefix)
  const revocationSet = createExpiringSet({ client, timeoutMs, key: keys.revocations, maxMembers: MAX_REVOCATIONS, whenFull: 'refuse' })
  const banSet = createExpiringSet({ client, timeoutMs, key: keys.bans, maxMembers: MAX_BANS, whenFull: 'evict' })

  async function readBans (): Promise<LastingBan[]> {
    return (await banSet.read()).map(({ member, remainingMs }) => ({ address: member, remainingMs }))
  }

  async function readRevocations () {
    return (await revocationSet.read()).flatMap(({ member, remainingMs }) => {
      const revocation = parseKeptRevocation(member)
      if (revocation === null) onUnreadable()
      return revocation === null ? [] : [{ member, revocation, remainingMs }]
    })
  }

  async function readDataSet (): Promise<string> {
    const known = await client.get(keys.dataSet)
    if (known !== null) return known
    await client.set(keys.dataSet, randomUUID(), 'NX')
    return await client.get(keys.dataSet) ?? ''
  }

  async function read (): Promise<KeptSnapshot> {
    const [revocations, bans] = await Promise.all([readRevocations(), readBans()])
    // Asked for last: were Redis emptied in between, the old name would vouch for nothing.
    return { revocations, bans, dataSet: await readDataSet() }
  }

  async function keepRevocation ({ kind, id, issuer, issuedBeforeMs }: Revocation, durationMs: number): Promise<void> {
    const member = JSON.stringify({ kind, id, issuer, issuedBeforeMs })
    if (!await revocationSet.keep(member, durationMs)) throw new Error('there are too many revocations')
  }

  async function dropRevocations ({ kind, id, issuer }: RevocationTarget): Promise<void> {
    const members = (await readRevocations())
      .filter(({ revocation }) => revocation.kind === kind && revocation.id === id && (issuer === null || revocation.issuer === issuer))
      .map(({ member }) => member)
    await revocationSet.drop(members)
  }

  async function keepBan (address: string, durationMs: number): Promise<void> {
    await banSet.keep(address, durationMs)
    await client.set(keys.ban(address), '1', 'PX', Math.ceil(durationMs))
  }

  async function dropBan (address: string): Promise<void> {
    await banSet.drop([address])
    await client.del(keys.ban(address))
  }

  /** Writes back what a process still knows, after Redis has lost it. */
  async function restore ({ revocations, bans }: ControlSnapshot): Promise<void> {
    const writes = [
      ...revocations.map(({ revocation, remainingMs }) => async () => { await keepRevocation(revocation, remainingMs) }),
      ...bans.map(({ address, remainingMs }) => async () => { await keepBan(address, remainingMs) })
    ]
    for (const part of split(writes, RESTORED_TOGETHER)) await Promise.all(part.map(async (write) => { await write() }))
  }

  return { read, restore, keepRevocation, dropRevocations, keepBan, dropBan }
}
