/** The longest delay that a timer of Node takes, in ms: 24.8 days. One that is told to wait longer fires after 1 ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * The delay for a timer that waits `ms`, or 24.8 days where a setting wants more. For work that may be done earlier than asked: what is
 * done again and again would be done without a pause otherwise.
 */
export function atMostLongestTimer (ms: number): number {
  return Math.min(LONGEST_TIMER_MS, ms)
}
