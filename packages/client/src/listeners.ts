/** Listeners by the name of what they listen to. */
export interface Listeners<Signals extends object> {
  /** Returns what takes the listener away again. */
  on<Name extends keyof Signals> (name: Name, listener: (signal: Signals[Name]) => void): () => void
  tell<Name extends keyof Signals> (name: Name, signal: Signals[Name]): void
  clear (): void
}

export function createListeners<Signals extends object> (): Listeners<Signals> {
  const byName: { [Name in keyof Signals]?: Set<{ call: (signal: Signals[Name]) => void }> } = {}
  return {
    on (name, listener) {
      const listeners = byName[name] ??= new Set()
      const entry = { call: listener }
      listeners.add(entry)
      return () => { listeners.delete(entry) }
    },
    tell (name, signal) {
      for (const { call } of [...byName[name] ?? []]) {
        try {
          call(signal)
        } catch (error) {
          // As with any event target: a fault of one listener is seen, and stops neither the others nor the connection.
          queueMicrotask(() => { throw error })
        }
      }
    },
    clear () {
      for (const name in byName) byName[name]?.clear()
    }
  }
}
