import { isIP } from 'node:net'

/** Where a server is. */
export interface ServerAddress {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

/** How to get into a Redis. */
export interface RedisAccess {
  readonly username?: string
  readonly password?: string
  readonly db?: number
}

/** What a Redis URL says. */
export interface RedisNode {
  readonly address: ServerAddress
  readonly access: RedisAccess
  readonly tls: boolean
}

const SENTINEL = /^(\[[^\]]+\]|[^\s:/@[\]]+):(\d{1,5})$/

/** Reads a `redis://` or `rediss://` URL. Throws an error that says what is wrong, and repeats nothing: the text may hold a password. */
export function readRedisUrl (text: string): RedisNode {
  // URL.parse's own error would carry the text.
  if (!URL.canParse(text)) throw new Error('a Redis URL cannot be read')
  const url = new URL(text)
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') throw new Error('a Redis URL must start with redis:// or rediss://')
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return {
    address: { host: host === '' ? '127.0.0.1' : host, port: url.port === '' ? 6379 : Number(url.port) },
    access: {
      ...(url.username !== '' && { username: decode(url.username) }),
      ...(url.password !== '' && { password: decode(url.password) }),
      ...(url.pathname.length > 1 && { db: readDatabase(url.pathname.slice(1)) })
    },
    tls: url.protocol === 'rediss:'
  }
}

/** Reads `host:port`, with `[` and `]` around an IPv6 address; null when it is neither. */
export function readAddress (text: string): ServerAddress | null {
  const [, written = '', digits = ''] = SENTINEL.exec(text) ?? []
  const port = Number(digits)
  const host = written.replace(/^\[(.*)\]$/, '$1')
  if (host === '' || port < 1 || port > 65_535) return null
  return written.startsWith('[') && isIP(host) !== 6 ? null : { host, port }
}

function decode (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function readDatabase (text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new Error('the path of a Redis URL must be the number of a database')
  return Number(text)
}

/** `host:port`, an IPv6 address in brackets. */
export function formatAddress ({ host, port }: ServerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
