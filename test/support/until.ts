/** A wait that took this long, in ms, was not bounded by what the test sets, which is a second or two: no machine is that busy. */
export const HANG_MS = 30_000

/**
 * Looks again and again until the condition holds. `limitMs` only ends a hang: it rejects then, and names the condition.
 */
export async function until (what: string, condition: () => boolean | Promise<boolean>, limitMs = 60_000): Promise<void> {
  const giveUpAt = performance.now() + limitMs
  while (!await condition()) {
    if (performance.now() > giveUpAt) throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
