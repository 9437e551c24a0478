import { parseKeptRevocation, parseTargetName, type LastingOrder } from './messages.js'
import type { KeptOrder, LedgerName } from './order-record.js'
import type { NamedEntry } from './ledger-reader.js'
import type { RevocationTarget } from './control.js'
import { nameOfTarget, toMember } from './revocation-terms.js'

/** The entries that a message is about. `issuersOf`: for whose tokens of an id something is revoked (null: any issuer's). */
export function entriesOf (
  message: LastingOrder, issuersOf: (target: RevocationTarget) => Array<string | null>
): { readonly ledger: LedgerName, readonly entries: readonly NamedEntry[] } {
  if (message.type === 'ban' || message.type === 'unban') return { ledger: 'bans', entries: [{ name: message.address, member: message.address }] }
  if (message.type === 'revoke') {
    return { ledger: 'revocations', entries: [{ name: nameOfTarget(message.revocation), member: toMember(message.revocation) }] }
  }
  const { target } = message
  const meant = target.issuer === null ? new Set([null, ...issuersOf(target)]) : [target.issuer]
  return { ledger: 'revocations', entries: [...meant].map(issuer => ({ name: nameOfTarget({ ...target, issuer }), member: '' })) }
}

/** Says what is kept as a message, for all that have not heard of it; null: it cannot be said. */
export function toMessage (ledger: LedgerName, { name, lifted, member, remainingMs }: KeptOrder): LastingOrder | null {
  if (ledger === 'bans') return lifted ? { type: 'unban', address: name } : { type: 'ban', address: name, duration_ms: remainingMs }
  if (lifted) {
    const target = parseTargetName(name)
    return target && { type: 'unrevoke', target }
  }
  const revocation = parseKeptRevocation(member)
  return revocation && { type: 'revoke', revocation, duration_ms: remainingMs }
}
