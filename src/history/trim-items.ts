import type { StoredHash, StoredHead } from './memory-topics.js'

/**
 * Most that a publication removes of what is too old, and most by number: it does not pay for a pause, nor for a changed setting. By
 * number as many are removed at once, for the next ones too: until then there are some more than the setting says.
 */
const MOST_TRIMMED = 5

/** What is about to be published beside the events kept. */
export interface Newcomer {
  readonly bytes: number
  readonly kept: boolean
  readonly atMs: number
}

export interface TrimBounds {
  readonly most: number
  readonly maxBytes: number
  readonly keepMs: number
}

/** One item to remove; `remembered`: its id alone stays. */
export interface Removal {
  readonly offset: number
  readonly remembered: boolean
}

/**
 * Looks for what is to be removed at the front: what is too old, then of the events what is too much beside the newcomer; all
 * where that one is not kept. Brings the head up to date. Null: the events are lost. The same as in publish-event.lua, step by
 * step.
 */
export function planTrimming (head: StoredHead, hash: StoredHash | undefined, newcomer: Newcomer, bounds: TrimBounds): Removal[] | null {
  const removals: Removal[] = []
  const newestMs = Math.max(newcomer.atMs, head.topAtMs)
  if (!planTooOld(removals, head, hash, newestMs, bounds)) return null
  return planTooMuch(removals, head, hash, { ...newcomer, newestMs }, bounds) ? removals : null
}

function planTooOld (
  removals: Removal[], head: StoredHead, hash: StoredHash | undefined, newestMs: number, { keepMs }: TrimBounds
): boolean {
  for (let n = 0; n < MOST_TRIMMED; n++) {
    const offset = head.oldest
    if (offset > head.top || Math.abs(newestMs - head.oldestAtMs) < keepMs) return true
    const item = hash?.items.get(offset)
    if (item === undefined) {
      if (offset >= head.first) return false
      head.oldest++
      continue
    }
    const ageMs = newestMs - item.atMs
    // An id that is ahead by so much is of a clock that was set back: it would hold up all behind it.
    const isOld = offset < head.first ? Math.abs(ageMs) >= keepMs : ageMs >= keepMs
    if (!isOld) {
      head.oldestAtMs = item.atMs
      return true
    }
    removals.push({ offset, remembered: false })
    head.oldest = offset + 1
    head.oldestAtMs = item.atMs
    if (offset === head.first) {
      head.first++
      head.bytes -= item.payload?.length ?? 0
    }
  }
  return true
}

function planTooMuch (
  removals: Removal[], head: StoredHead, hash: StoredHash | undefined,
  { bytes, kept, newestMs }: Newcomer & { readonly newestMs: number }, { most, maxBytes, keepMs }: TrimBounds
): boolean {
  const isDue = head.top + 2 - head.first >= most + MOST_TRIMMED
  for (let removed = 0; head.first <= head.top; removed++) {
    const isOneTooMany = isDue && head.top + 2 - head.first > most && removed < MOST_TRIMMED
    if (kept && head.bytes + bytes <= maxBytes && !isOneTooMany) return true
    const offset = head.first
    const item = hash?.items.get(offset)
    if (item === undefined) return false
    head.bytes -= item.payload?.length ?? 0
    head.first++
    // Its id counts longer than an event that is removed for others' sake.
    const remembered = item.id !== null && Math.abs(newestMs - item.atMs) < keepMs
    removals.push({ offset, remembered })
    if (head.oldest === offset && !remembered) {
      head.oldest = offset + 1
      head.oldestAtMs = item.atMs
    }
  }
  return true
}

/** Removes what was planned. The id of an event may have been given to a later one since, when it was too old. */
export function trimItems (hash: StoredHash, removals: readonly Removal[]): void {
  for (const { offset, remembered } of removals) {
    const item = hash.items.get(offset)
    if (item === undefined) continue
    if (remembered) {
      hash.items.set(offset, { ...item, payload: null })
      continue
    }
    hash.items.delete(offset)
    if (item.id !== null && hash.ids.get(item.id)?.offset === offset) hash.ids.delete(item.id)
  }
}
