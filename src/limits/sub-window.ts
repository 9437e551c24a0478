import { EXACT_WINDOW_LIMIT, SUB_WINDOWS } from './limiter.js'

/**
 * The width in ms of the sub-windows that count a window of `windowMs`, or 0 when the limit is low enough for an exact
 * one. `aheadMs`: how far ahead of now messages may be counted. `SUB_WINDOWS` of them are enough: the first and the last
 * are covered only in part, and together take the place of one.
 */
export function subWindowMs (limit: number, windowMs: number, aheadMs: number): number {
  return limit <= EXACT_WINDOW_LIMIT ? 0 : Math.ceil((windowMs + aheadMs) / (SUB_WINDOWS - 1))
}
