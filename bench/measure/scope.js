/** What a case has started, ended in the opposite order whatever happens. */
export function createScope () {
  /** @type {Array<() => unknown>} */
  const endings = []
  return {
    /** @param {() => unknown} end */
    onEnd (end) { endings.push(end) },
    async end () {
      for (const end of endings.splice(0).reverse()) {
        try {
          await end()
        } catch (error) {
          process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
        }
      }
    }
  }
}
