/** How a connection to the database is encrypted: the driver's words where nothing is verified, else what TLS verifies by. */
export type TlsTarget = false | 'allow' | 'prefer' | 'require' | {
  /** The name that the certificate must carry, or the address. */
  readonly host: string
  /** PEM; absent: the authorities that Node knows. */
  readonly ca?: string
  /** Present where any name will do. */
  readonly checkServerIdentity?: () => undefined
}

export interface ServerIdentity {
  readonly host: string
  /** The value of `sslrootcert`; null: there is none. */
  readonly file: string | null
  /** What is in that file, as PEM; null: those that Node knows. */
  readonly authorities: string | null
}

const anyName = (): undefined => undefined

/** Reads `sslmode` as libpq means it (null: none, no TLS). Throws an error that says which other value would do. */
export function readSslMode (mode: string | null, { host, file, authorities }: ServerIdentity): TlsTarget {
  const verified = { host, ...(authorities === null ? {} : { ca: authorities }) }
  switch (mode) {
    case 'verify-full': return verified
    case 'verify-ca':
      // Any certificate of any public authority would do, for whatever name.
      if (authorities === null) throw new Error('`sslmode=verify-ca` verifies nothing without an authority of your own in `sslrootcert`: take verify-full')
      return { ...verified, checkServerIdentity: anyName }
    case 'require':
      // As in libpq: with an authority it is verified, but not the name.
      if (authorities !== null) return { ...verified, checkServerIdentity: anyName }
      if (file !== null) throw new Error('`sslrootcert=system` needs `sslmode=verify-full`')
      return 'require'
    default:
      if (file !== null) throw new Error('`sslrootcert` needs `sslmode=verify-full`, `verify-ca` or `require`')
  }
  if (mode === null || mode === 'disable') return false
  if (mode === 'allow' || mode === 'prefer') return mode
  throw new Error('`sslmode` must be disable, allow, prefer, require, verify-ca or verify-full')
}
