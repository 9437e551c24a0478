import { addressFromBytes, clientBehindProxies, isListed, type ClientAddress } from '../address/client-address.js'
import type { UpgradeSettings } from '../config/config.js'
import { isLoopbackHost } from '../address/loopback-host.js'
import { refuse, type Refusal } from '../refusals.js'
import type { UpgradeHead } from './transport.js'

/** The client's address, and the refusal when the trusted proxy's word about it is garbage, or it names a host that is not served. */
export interface FoundAddress {
  readonly address: ClientAddress
  readonly refusal: Refusal | null
  /** An untrusted peer sent `X-Forwarded-For`: a proxy that nobody configured, or someone trying. */
  readonly untrustedHeader: boolean
  /** The peer is a proxy whose word counts. */
  readonly viaTrustedProxy: boolean
  /**
   * The trace that a trusted proxy has put the request into, unjudged; `''`: none. A client's own would let anybody choose what is
   * recorded, and write into the traces of others.
   */
  readonly traceparent: string
}

/** A client that reset its connection before it was looked at has no address any more; nobody will read the answer. */
const GONE: FoundAddress = {
  address: { ip: 'unknown', key: 'unknown' },
  refusal: refuse('bad_request', { message: 'the connection is gone' }),
  untrustedHeader: false,
  viaTrustedProxy: false,
  traceparent: ''
}
const GARBAGE = refuse('bad_request', { message: 'X-Forwarded-For is malformed' })
const FOREIGN_HOST = refuse('forbidden', { message: 'development mode answers on loopback names only', detail: 'host' })

/** Finds who is really there: the TCP peer, unless it is a proxy that we were told to believe. */
export function findAddress (head: UpgradeHead, settings: UpgradeSettings): FoundAddress {
  if (head.peer.byteLength === 0) return GONE
  const found = findBehindProxies(head, settings)
  const isForeign = settings.loopbackHostOnly === true && !isLoopbackHost(head.headers.host)
  return isForeign ? { ...found, refusal: FOREIGN_HOST } : found
}

function findBehindProxies (head: UpgradeHead, settings: UpgradeSettings): FoundAddress {
  const { trustedProxies } = settings
  const { forwardedFor, traceparent } = head.headers
  const isTrusted = (address: ClientAddress): boolean => trustedProxies !== null && isListed(address, trustedProxies)
  const neighbour = addressFromBytes(head.peer)
  // A balancer that speaks PROXY v2 stands for its own peer, which may be a proxy of ours again.
  const believed = settings.proxyProtocol && head.proxied.byteLength > 0 && isTrusted(neighbour)
  const peer = believed ? addressFromBytes(head.proxied) : neighbour
  if (trustedProxies === null || !isTrusted(peer)) return { address: peer, refusal: null, untrustedHeader: forwardedFor !== '', viaTrustedProxy: false, traceparent: '' }
  if (forwardedFor === '') return { address: peer, refusal: null, untrustedHeader: false, viaTrustedProxy: true, traceparent }
  const client = clientBehindProxies(peer, forwardedFor, trustedProxies)
  return { address: client ?? peer, refusal: client === null ? GARBAGE : null, untrustedHeader: false, viaTrustedProxy: true, traceparent }
}
