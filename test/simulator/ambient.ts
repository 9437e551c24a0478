/** Every way to a clock, a timer or chance that is not the world's. */
const AMBIENT: ReadonlyArray<readonly [object, string]> = [
  [Date, 'now'], [performance, 'now'], [Math, 'random'], [globalThis, 'setTimeout'], [globalThis, 'setInterval'], [globalThis, 'setImmediate'],
  [crypto, 'randomUUID'], [crypto, 'getRandomValues']
]

/** Lets nothing ambient be asked from now on: who tries throws. Returns what allows it again. */
export function forbidAmbient (): () => void {
  const before = AMBIENT.map(([owner, name]) => Object.getOwnPropertyDescriptor(owner, name))
  for (const [owner, name] of AMBIENT) {
    Object.defineProperty(owner, name, {
      configurable: true, writable: true, value: () => { throw new Error(`${name} is not the world's`) }
    })
  }
  return () => {
    for (const [n, [owner, name]] of AMBIENT.entries()) {
      const descriptor = before[n]
      if (descriptor === undefined) Reflect.deleteProperty(owner, name)
      else Object.defineProperty(owner, name, descriptor)
    }
  }
}
