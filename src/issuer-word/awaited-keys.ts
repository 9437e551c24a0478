import type { ClientAddress } from '../address/client-address.js'
import type { Timers } from '../timers.js'
import type { IssuerKeys } from '../tokens/issuer-keys.js'

/** A statement whose key is not at hand. */
export interface Waiting {
  readonly token: string
  readonly address: ClientAddress
  /** Of the issuer that it names. */
  readonly keys: IssuerKeys
  /** Wall clock, in ms. */
  readonly arrivedAtMs: number
  /** How many fetches of the keys had brought some when it was last judged. */
  fetchesSeen: number
  /** Keys came after it, and its own was not among them: it may be made up, or the issuer may be slow to publish. */
  missed: boolean
}

export interface AwaitedKeysDeps {
  /** Keys have come: judges the statement by them. False: its key is still not there. */
  readonly judgeAgain: (statement: Waiting) => boolean
  /** It is forgotten, and nothing came of it. */
  readonly onDropped: (statement: Waiting, why: 'crowded_out' | 'too_old' | 'unheard') => void
  /** Wall clock, in ms. */
  readonly now: () => number
  readonly timers: Pick<Timers, 'after'>
}

/** The statements that wait for a key. */
export interface AwaitedKeys {
  add (statement: Waiting): void
  /** Judges again whatever waits for keys that have come. */
  look (): void
  readonly size: number
  close (): void
}

/** How many fetches of an issuer's keys have brought some. */
export const fetchesOf = ({ source }: IssuerKeys): number => source.status().fetches.ok

const MAX_WAITING = 1000
/** How old one may become. */
const MAX_WAIT_MS = 300_000
const LOOK_EVERY_MS = 1000

/** Makes the list: bounded, fetching keys while there is something that waits for them. */
export function createAwaitedKeys ({ judgeAgain, onDropped, now, timers }: AwaitedKeysDeps): AwaitedKeys {
  const all = new Set<Waiting>()
  let stopLooking: (() => void) | null = null
  let closed = false

  /** Of the address that has most waiting, the oldest goes: a flood from one keeps out no other's. */
  function makeRoom (): void {
    const counts = new Map<string, number>()
    for (const { address } of all) counts.set(address.key, (counts.get(address.key) ?? 0) + 1)
    const most = Math.max(...counts.values())
    for (const each of all) {
      if (counts.get(each.address.key) === most) return drop(each, 'crowded_out')
    }
  }

  function drop (statement: Waiting, why: Parameters<typeof onDropped>[1]): void {
    all.delete(statement)
    onDropped(statement, why)
  }

  function look (): void {
    if (closed) return
    for (const each of all) {
      const fetches = fetchesOf(each.keys)
      const isNew = each.fetchesSeen !== fetches
      each.fetchesSeen = fetches
      if (isNew && judgeAgain(each)) all.delete(each)
      else if (now() - each.arrivedAtMs > MAX_WAIT_MS) drop(each, 'too_old')
    }
  }

  /** Hurries for those whose issuer has told no keys since they came; for the others the cooldown is soon enough. */
  function fetchAgain (): void {
    const urgent = new Map<IssuerKeys, boolean>()
    for (const { keys, missed } of all) urgent.set(keys, urgent.get(keys) === true || !missed)
    for (const [{ source }, isUrgent] of urgent) void (isUrgent ? source.hurry() : source.refresh())?.then(look)
  }

  function lookLater (): void {
    stopLooking ??= timers.after(LOOK_EVERY_MS, () => {
      stopLooking = null
      look()
      fetchAgain()
      if (all.size > 0 && !closed) lookLater()
    })
  }

  return {
    add (statement) {
      all.add(statement)
      if (all.size > MAX_WAITING) makeRoom()
      lookLater()
    },
    look,
    get size () { return all.size },
    close () {
      closed = true
      stopLooking?.()
      for (const each of all) drop(each, 'unheard')
    }
  }
}
