/** The two clocks of a process: what lasts is measured by one, what others have dated is compared with the other. */
export interface Clocks {
  /** For spans: in ms, near the time since the epoch, and never set. */
  readonly steadyNow: () => number
  /** For instants that others name, such as the end of a token: in ms since the epoch. May be set, forwards or back. */
  readonly epochNow: () => number
}

export const steadyNow = (): number => performance.timeOrigin + performance.now()

export const SYSTEM_CLOCKS: Clocks = { steadyNow, epochNow: Date.now }
