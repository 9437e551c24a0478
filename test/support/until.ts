/** Looks again and again until the condition holds; rejects, naming it, when it does not within `limitMs`. */
export async function until (what: string, condition: () => boolean | Promise<boolean>, limitMs = 15_000): Promise<void> {
  const giveUpAt = performance.now() + limitMs
  while (!await condition()) {
    if (performance.now() > giveUpAt) throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
