/** Looks again and again until the condition holds; rejects after `limitMs`. */
export async function until (what: string, condition: () => boolean | Promise<boolean>, limitMs = 10_000): Promise<void> {
  const giveUpAt = Date.now() + limitMs
  while (!await condition()) {
    if (Date.now() > giveUpAt) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
