import type { StoredHash, StoredHead } from './memory-topics.js'

/** Whether nothing is kept: nothing ever was, or all of it has outlived its time. */
export function isBare (head: StoredHead, nowMs: number, keepMs: number): boolean {
  return head.hash === 0 || nowMs - head.topAtMs >= keepMs
}

interface Bounds {
  readonly most: number
  readonly keepMs: number
  readonly nowMs: number
}

/**
 * The first offset of which it and all after it are kept and not too old; behind the top where none is. The same as
 * lua/include/visible.lua, step by step.
 */
export function findFirst (head: StoredHead, hash: StoredHash | undefined, { most, keepMs, nowMs }: Bounds): number {
  let first = Math.max(head.first, head.top - most + 1)
  const none = head.top + 1
  if (isBare(head, nowMs, keepMs) || first > head.top) return none
  const newestMs = Math.max(nowMs, head.topAtMs)
  let last = head.top
  for (let place = first; first < last; place = Math.floor((first + last) / 2)) {
    const item = hash?.items.get(place)
    if (item === undefined) return none
    if (newestMs - item.atMs >= keepMs) first = place + 1
    else if (place === first) return first
    else last = place
  }
  return hash?.items.has(first) === true ? first : none
}
