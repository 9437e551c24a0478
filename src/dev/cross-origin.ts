import type { UpgradeSettings } from '../config/config.js'

/** Which pages of other origins may connect, and so may read what they need for it. */
export type AllowedOrigins = Pick<UpgradeSettings, 'anyOrigin' | 'origins'>

/** Lets a page read an answer across origins (Fetch, section 3.3) when its origin may connect: the exact comparison of the upgrade. */
export function crossOriginHeaders (origin: string, { anyOrigin, origins }: AllowedOrigins): Readonly<Record<string, string>> {
  if (anyOrigin) return { 'Access-Control-Allow-Origin': '*' }
  return origins.has(origin) ? { 'Access-Control-Allow-Origin': origin, Vary: 'Origin' } : { Vary: 'Origin' }
}
