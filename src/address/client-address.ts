import { isIP, type BlockList } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Where a client connects from. */
export interface ClientAddress {
  /** The address itself, for the log. */
  readonly ip: string
  /** What limits count: the IPv4 address, or the IPv6 /64 as `<prefix>::/64`. */
  readonly key: string
}

/** IPv6 hosts own a /64 at least, so a single address there is no identity to count by (RFC 6177). */
const COUNTED_IPV6_BITS = 64

function fromParsed (parsed: ipaddr.IPv4 | ipaddr.IPv6): ClientAddress {
  if (parsed.kind() === 'ipv6') {
    const v6 = parsed as ipaddr.IPv6
    if (!v6.isIPv4MappedAddress()) {
      const network = new ipaddr.IPv6([...v6.parts.slice(0, 4), 0, 0, 0, 0])
      return { ip: v6.toString(), key: `${network.toString()}/${COUNTED_IPV6_BITS}` }
    }
    parsed = v6.toIPv4Address()
  }
  const ip = parsed.toString()
  return { ip, key: ip }
}

/** Reads the 4 or 16 bytes of a socket's peer. IPv4-mapped IPv6 counts as IPv4. */
export function addressFromBytes (bytes: ArrayBuffer): ClientAddress {
  const octets = new Uint8Array(bytes)
  if (octets.length === 4) {
    const ip = `${octets[0]}.${octets[1]}.${octets[2]}.${octets[3]}`
    return { ip, key: ip }
  }
  return fromParsed(ipaddr.fromByteArray([...octets]))
}

/**
 * Reads one address as proxies write it: `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:443`, `2001:db8::1`.
 * Null for anything else: zone ids, short IPv4 forms, octal, host names.
 */
export function parseAddress (text: string): ClientAddress | null {
  const bare = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text
  if (bare.includes('%')) return null
  const version = isIP(bare)
  if (version === 0 || (text.startsWith('[') && version !== 6)) return null
  return fromParsed(ipaddr.parse(bare))
}

/** Whether an address (not its /64) is in the list. */
export function isListed (address: ClientAddress, networks: BlockList): boolean {
  return networks.check(address.ip, address.ip.includes(':') ? 'ipv6' : 'ipv4')
}

/**
 * The right-most untrusted entry of all `X-Forwarded-For` lines joined in order: every entry to the left of it was
 * written by someone we do not trust. None left: the peer. Null: garbage at a place that counts.
 */
export function clientBehindProxies (peer: ClientAddress, forwardedFor: string, trusted: BlockList): ClientAddress | null {
  const entries = forwardedFor.split(',')
  for (let index = entries.length - 1; index >= 0; index--) {
    const address = parseAddress((entries[index] ?? '').trim())
    if (address === null) return null
    if (!isListed(address, trusted)) return address
  }
  return peer
}
