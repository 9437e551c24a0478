import type { Head } from '../history/history.js'

/** What a log stood at when the store was asked about it: its answer may be older than what has come since. */
export interface Asked {
  readonly epoch: string | null
  readonly last: number
  readonly lastAtMs: number
  /** How much had come to wait by then. */
  readonly heard: number
}

/** Whether the head is below what was known when it was asked for, or its newest event is another one. */
export function hasGoneBack (head: Head, asked: Asked): boolean {
  if (head.top < asked.last) return true
  return head.top === asked.last && head.topAtMs !== asked.lastAtMs && asked.lastAtMs !== 0
}
