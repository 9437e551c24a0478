import { PROJECT } from './root.js'

const script = await import(new URL('scripts/ensure-server.js', PROJECT).href) as { ensureServer (name: string): string }

/** The path of a server program on this machine; installs Debian's package when it is missing and may be. Throws when there is none. */
export const { ensureServer } = script
