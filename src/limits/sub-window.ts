import { EXACT_WINDOW_LIMIT, SUB_WINDOWS } from './limiter.js'

/**
 * The width in ms of the sub-windows that count a window of `windowMs`, or 0 when the limit is low enough for an exact
 * one. `aheadMs`: how far beyond now counts may lie. At most `SUB_WINDOWS` are ever needed: the two that are only partly
 * covered, at the ends, take the place of one.
 */
export function subWindowMs (limit: number, windowMs: number, aheadMs: number): number {
  return limit <= EXACT_WINDOW_LIMIT ? 0 : Math.ceil((windowMs + aheadMs) / (SUB_WINDOWS - 1))
}
