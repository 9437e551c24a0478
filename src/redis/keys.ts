import { encodeId } from './encode-id.js'

// Every name that Portcullis uses in Redis stands here, keys and channels. `prefix` is the operator's, without braces, and is
// used as it is. Nothing that a client sends can shape a name: ids are percent-encoded, addresses arrive normalized.

/** Where the limits are kept. */
export interface LimitKeys {
  /** Connection attempts of an address (`192.0.2.1`, `2001:db8:1:2::/64`). */
  address (address: string): string
  /** A spent resume pass of an address; its hash tag, the address's whole key, puts both in one slot of a cluster. */
  resume (address: string, nonce: string): string
  /** Leases of one owner: a user, or the address of an anonymous connection. */
  user (leaseOwner: string): string
  /** Messages of an address. */
  messages (address: string): string
  /** How often an address has broken a limit. */
  strikes (address: string): string
}

export function createLimitKeys (prefix: string): LimitKeys {
  const addressPrefix = `${prefix}ws:ratelimit:ip:`
  const resumePrefix = `${prefix}ws:resume:{${addressPrefix}`
  const userPrefix = `${prefix}ws:ratelimit:user:`
  const messagesPrefix = `${prefix}ws:ratelimit:msg:`
  return {
    address: (address) => addressPrefix + address,
    resume: (address, nonce) => `${resumePrefix}${address}}:${encodeId(nonce)}`,
    user: (leaseOwner) => userPrefix + encodeId(leaseOwner),
    messages: (address) => messagesPrefix + address,
    strikes: (address) => `${prefix}ws:strikes:${address}`
  }
}

/** Where the nodes keep what survives them. A node is one process. */
export interface NodeKeys {
  /** Sorted set of nodes, scored by the time (ms on Redis's clock) until which each is known to be alive. */
  readonly index: string
  /** Hash: connection id to lease record, kept by the limiter; and the field `''`: the last heartbeat (see beat.lua). */
  records (node: string): string
  /** Set of connection ids that others have claimed. Its hash tag, the whole key of the records, puts both in one slot of a cluster. */
  claimed (node: string): string
}

export function createNodeKeys (prefix: string): NodeKeys {
  const records = (node: string): string => `${prefix}ws:node:${encodeId(node)}`
  return { index: `${prefix}ws:nodes`, records, claimed: (node) => `{${records(node)}}:claimed` }
}

/** Where one kind of lasting orders is kept; both in one slot of a cluster. */
export interface LedgerKeys {
  /** Sorted set of those in force, scored by when each ends, in ms on Redis's clock. */
  readonly orders: string
  /** Hash of all by name, takings back included. Its hash tag is the whole key of the sorted set. */
  readonly records: string
}

/** Where orders are kept, and the channels they travel on. */
export interface ControlKeys {
  /** Channel of orders; back ends publish here as well. */
  readonly channel: string
  readonly revocations: LedgerKeys
  readonly bans: LedgerKeys
  /** Sorted set of orders that pass, `disconnect` and `recheck`, scored by until when they are kept. */
  readonly orders: string
  /** For operators to look at; nothing reads it. */
  ban (address: string): string
  /** Channel on which one process asks all. */
  readonly ask: string
  /** Channel on which the process that asked is answered. Every such name starts with `answers`. */
  readonly answers: string
}

export function createControlKeys (prefix: string): ControlKeys {
  const ledger = (orders: string): LedgerKeys => ({ orders, records: `{${orders}}:orders` })
  return {
    channel: `${prefix}ws:control`,
    revocations: ledger(`${prefix}ws:revocations`),
    bans: ledger(`${prefix}ws:bans`),
    orders: `${prefix}ws:control:orders`,
    ban: (address) => `${prefix}ws:ban:${address}`,
    ask: `${prefix}ws:control:ask`,
    answers: `${prefix}ws:control:answer:`
  }
}

/** What the channels of all topics of one kind begin with; the id follows. */
export function topicChannelPrefix (prefix: string, kind: string): string {
  return `${prefix}ws:topic:${kind}:`
}

/** Where a topic is numbered; its other keys have this name and more after it. The hash tag, its channel, puts all in one slot. */
export function historyKey (prefix: string, channel: string): string {
  return `${historyPrefix(prefix)}{${channel}}`
}

/** What all keys of the history begin with. */
export function historyPrefix (prefix: string): string {
  return `${prefix}ws:history:`
}

/** Channel of one process, on which a script tells it what is published to the users whose connections it has. `node`: percent-encoded. */
export function nodeChannel (prefix: string, node: string): string {
  return topicChannelPrefix(prefix, 'node') + node
}

/** Stream of what clients send. */
export function inboundStream (prefix: string): string {
  return `${prefix}ws:inbound`
}

/** Lists of the bytes that were added to that stream, by all and by one user; their hash tag, the stream's key, puts them in its slot. */
export function inboundCounts (prefix: string, userId: string): readonly [all: string, user: string] {
  const all = `{${inboundStream(prefix)}}:bytes`
  return [all, `${all}:${encodeId(userId)}`]
}

/** What an issuer said of a token. `tokenHash`: SHA-256 in hex. */
export function introspectionKey (prefix: string, tokenHash: string): string {
  return `${prefix}ws:introspect:${tokenHash}`
}

/** That the orders of one statement of an issuer stand. `name`: a hash of its issuer and id. */
export function spentStatement (prefix: string, name: string): string {
  return `${prefix}ws:issuer-word:${name}`
}

/** Where tickets are kept. */
export interface TicketKeys {
  /** What one ticket stands for, encrypted. `name`: a hash of the ticket in base64url. */
  ticket (name: string): string
  /** A proof of possession that was shown. `id`: a hash in base64url. */
  proof (id: string): string
}

export function createTicketKeys (prefix: string): TicketKeys {
  return { ticket: name => `${prefix}ws:ticket:${name}`, proof: id => `${prefix}ws:dpop:${id}` }
}

/** The secret of resume passes, and that from which tickets are signed, where none is configured. */
export function resumeSecret (prefix: string): string {
  return `${prefix}ws:resume-key`
}
