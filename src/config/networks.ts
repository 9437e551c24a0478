import { BlockList, isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** IPv4-mapped addresses (RFC 4291 section 2.5.5.2). */
const MAPPED = ipaddr.IPv6.parse('::ffff:0:0')
const MAPPED_BITS = 96

/** Block lists match IPv4 addresses by such a network too: `::ffff:0:0/96`, or `::/8`, is every one of them, unseen. */
function overlapsMapped (address: string, prefix: number): boolean {
  return ipaddr.IPv6.parse(address).match(MAPPED, Math.min(prefix, MAPPED_BITS))
}

/** Reads a CIDR list (`10.0.0.0/8`, `::1`, …); entries that are none are reported by `onBad`. */
export function readNetworks (entries: readonly string[], onBad: (entry: string, reason: string) => void): BlockList {
  const networks = new BlockList()
  for (const entry of entries) {
    const [address = '', length, ...rest] = entry.split('/')
    const version = isIP(address)
    const bits = version === 4 ? 32 : 128
    const prefix = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : -1
    if (version === 0 || rest.length > 0 || prefix < 0 || prefix > bits) {
      onBad(entry, 'must be a CIDR list such as 10.0.0.0/8,fd00::/8')
    } else if (prefix === 0) {
      onBad(entry, 'would cover every address')
    } else if (version === 6 && overlapsMapped(address, prefix)) {
      onBad(entry, 'covers IPv4 addresses in their IPv6 form (::ffff:0:0/96): write the IPv4 form, such as 10.0.0.0/8')
    } else {
      networks.addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6')
    }
  }
  return networks
}
