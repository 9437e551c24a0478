import { isIP } from 'node:net'

/**
 * Whether a `Host` header names loopback. A page whose name was made to resolve to loopback (DNS rebinding) reaches what
 * listens there, but its requests carry its own name.
 */
export function isLoopbackHost (host: string): boolean {
  const name = host.toLowerCase().replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}
