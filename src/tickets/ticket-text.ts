import { createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'

/** How long a ticket opens a connection, in ms. */
export const TICKET_LIFE_MS = 30_000

/** Why a ticket is not looked up, for the log. */
export type TicketFault = 'ticket_format' | 'ticket_signature' | 'ticket_expired' | 'ticket_address'

/** Makes the texts of tickets, and judges those that are presented. Asks nobody. */
export interface TicketTexts {
  /** A ticket for this address, from now; null while no key is known. */
  make (addressKey: string): string | null
  /** What is wrong with a ticket; null: one of our processes made it for this address, and it has not ended. */
  findFault (text: string, addressKey: string): TicketFault | null
}

export interface TicketTextsOptions {
  /** The secrets that all processes share: the first makes tickets, each is believed. None while none is known. */
  readonly keys: () => readonly Buffer[]
  /** `REDIS_KEY_PREFIX`: an environment that shares the secret has other tickets. */
  readonly prefix: string
  /** The address is not compared. */
  readonly anyAddress: boolean
  /** Wall clock, in ms since the epoch: other processes read what this one writes. */
  readonly now?: () => number
}

/** Clocks of hosts differ by this much, in ms. What opens nothing any more is gone from the store by its own clock. */
const CLOCK_MARGIN_MS = 2000

// Version, end, secret and address stand at fixed places.
const VERSION = 1
const END_AT = 1
const SECRET_AT = 7
const ADDRESS_AT = 39
const MAC_AT = 55
const TICKET_BYTES = 87
/** 87 bytes are 116 characters with no bit to spare: no two texts are the same ticket. */
const TICKET_TEXT = /^[A-Za-z0-9_-]{116}$/

/** Makes and judges tickets: HMAC-SHA-256 (RFC 2104) over end, secret and address, with a key of their own (HKDF, RFC 5869). */
export function createTicketTexts ({ keys, prefix, anyAddress, now = Date.now }: TicketTextsOptions): TicketTexts {
  const derived = new WeakMap<Buffer, Buffer>()

  /** Resume passes are signed with the same secret: neither may ever pass for the other. */
  function deriveKey (secret: Buffer): Buffer {
    let key = derived.get(secret)
    if (key === undefined) derived.set(secret, key = Buffer.from(hkdfSync('sha256', secret, '', `portcullis tickets\0${prefix}`, 32)))
    return key
  }

  return {
    make (addressKey) {
      const [secret] = keys()
      if (secret === undefined) return null
      const key = deriveKey(secret)
      const body = Buffer.alloc(MAC_AT)
      body[0] = VERSION
      body.writeUIntBE(now() + TICKET_LIFE_MS, END_AT, SECRET_AT - END_AT)
      randomBytes(ADDRESS_AT - SECRET_AT).copy(body, SECRET_AT)
      digestAddress(key, addressKey).copy(body, ADDRESS_AT)
      return Buffer.concat([body, sign(key, body)], TICKET_BYTES).toString('base64url')
    },
    findFault (text, addressKey) {
      if (!TICKET_TEXT.test(text)) return 'ticket_format'
      const ticket = Buffer.from(text, 'base64url')
      const body = ticket.subarray(0, MAC_AT)
      const key = keys().map(deriveKey).find(one => timingSafeEqual(sign(one, body), ticket.subarray(MAC_AT)))
      if (key === undefined || body[0] !== VERSION) return 'ticket_signature'
      const leftMs = body.readUIntBE(END_AT, SECRET_AT - END_AT) - now()
      if (leftMs <= -CLOCK_MARGIN_MS || leftMs > TICKET_LIFE_MS + CLOCK_MARGIN_MS) return 'ticket_expired'
      const isOwn = anyAddress || timingSafeEqual(digestAddress(key, addressKey), body.subarray(ADDRESS_AT, MAC_AT))
      return isOwn ? null : 'ticket_address'
    }
  }
}

/** The name under which a ticket is kept: it does not tell the ticket. */
export function nameOfTicket (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

function sign (key: Buffer, body: Buffer): Buffer {
  return createHmac('sha256', key).update('ticket\0').update(body).digest()
}

function digestAddress (key: Buffer, addressKey: string): Buffer {
  return createHmac('sha256', key).update('address\0').update(addressKey).digest().subarray(0, MAC_AT - ADDRESS_AT)
}
