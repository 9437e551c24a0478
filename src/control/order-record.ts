/** The two kinds of orders that last. */
export type LedgerName = 'bans' | 'revocations'

/**
 * One order that lasts, or its taking back, as it is kept. Of two under one name the later one counts, in Redis and in
 * every process.
 */
export interface KeptOrder {
  /** What it is about: an address, or a token, session or user. */
  readonly name: string
  /** When it was given, in µs on Redis's clock; later than any order that its giver had heard of, whatever that clock says. */
  readonly givenAtUs: number
  /** True: it takes the order of this name back. */
  readonly lifted: boolean
  /** In ms. A taking back lasts as long as what it takes back would have lasted. */
  readonly remainingMs: number
  /** When it ends on Redis's clock, in ms; 0 where that is not known. */
  readonly keptUntilMs: number
  /** The order as its sorted set holds it; '' in the taking back of what nobody knew. */
  readonly member: string
}

/** What one kind of orders means, to Redis and to the processes. */
export interface LedgerTerms {
  /** Orders in force at once. */
  readonly maxOrders: number
  /** What happens to one more: it is refused, or the order that ends first makes room. */
  readonly whenFull: 'refuse' | 'evict'
  /** What an order does to one of its name: takes its place, or adds to what it says. */
  readonly onSecond: 'replace' | 'widen'
  /** How long a taking back is kept where neither Redis nor the process that gives it knows what it takes back, in ms. */
  readonly unknownLiftMs: number
  /** A member of the sorted set that is no order: see settle-orders.lua. `@` stands for a number. */
  readonly witness: string
  /** The name under which a member is kept; null: this version cannot read the member. */
  nameOf (member: string): string | null
  /** How much a member says, where one may say more than another of its name. */
  reachOf (member: string): number
}

/** Whether a member of the sorted set is the witness of an incarnation, and no order. */
export function isWitness ({ witness }: LedgerTerms, member: string): boolean {
  const [before = '', after = ''] = witness.split('@')
  return member.startsWith(before) && member.endsWith(after) && /^\d+$/.test(member.slice(before.length, member.length - after.length))
}
