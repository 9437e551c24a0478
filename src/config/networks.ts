import { BlockList, isIP } from 'node:net'

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
    } else {
      networks.addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6')
    }
  }
  return networks
}
