import type { Revocation } from '../control/control.js'

/** What a good statement of an issuer means here. */
export interface Said {
  /** `jti`: an issuer may say the same again, and it is done once. */
  readonly id: string
  /** None: it is acknowledged, and nothing is done. */
  readonly orders: readonly Revocation[]
  /** What it was about, for the log, where nothing is done. */
  readonly aside: string | null
}

/** Every token of a user that was issued up to and including the second of `timeS`, in s since the epoch. */
export function upToSecond (timeS: number): number {
  return (Math.floor(timeS) + 1) * 1000
}
