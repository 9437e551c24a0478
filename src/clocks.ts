/** The two clocks of a process: what lasts is measured by one, what others have dated is compared with the other. */
export interface Clocks {
  /** For spans: in ms, near the time since the epoch, and never set. */
  readonly steadyNow: () => number
  /** For instants that others name, such as the end of a token: in ms since the epoch. May be set, forwards or back. */
  readonly epochNow: () => number
}

export const steadyNow = (): number => performance.timeOrigin + performance.now()

/** Makes what writes a time, in ms since the epoch, in ISO 8601; the same one as the last time is not written anew. */
export function createIsoFormatter (): (ms: number) => string {
  let lastMs = NaN
  let text = ''
  return (ms) => {
    if (ms !== lastMs) {
      lastMs = ms
      text = new Date(ms).toISOString()
    }
    return text
  }
}

export const SYSTEM_CLOCKS: Clocks = { steadyNow, epochNow: Date.now }
