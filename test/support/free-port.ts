import { PROJECT } from './root.js'

const script = await import(new URL('scripts/free-port.js', PROJECT).href) as { findFreePort (): Promise<number> }

/** A TCP port of 127.0.0.1 that is free now and that no other test is given until this process ends. */
export const { findFreePort } = script
