import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Resume } from '../limits/limiter.js'
import { createTwoGenerationMap } from '../collections/two-generation-map.js'
import type { Identity } from '../tokens/identity.js'

/** A presented pass that one of our processes made for this very address. For whom is seen when the token is verified. */
export interface GenuinePass {
  readonly resume: Resume
  /** Whether it was made for this user of this issuer. */
  isFor (identity: Identity): boolean
}

/**
 * Passes by which those who are sent away by a restart come back past their address's window: once each, and past
 * nothing else.
 */
export interface ResumePasses {
  /** Makes one for `lifeMs` (whole; at most `MAX_PASS_LIFE_MS`). Null while no key is known, and for break-glass connections. */
  issue (identity: Identity, addressKey: string, lifeMs: number): string | null
  /** Judges what a client presents, before its token is looked at. Null: worth nothing, which is no reason to refuse. */
  judge (text: string, addressKey: string): GenuinePass | null
}

export interface ResumePassOptions {
  /** The secrets that all processes share: the first makes passes, each is believed. None while none is known. */
  readonly keys: () => readonly Buffer[]
  /** Wall clock, in ms since the epoch: other processes read what this one writes. */
  readonly now?: () => number
}

export const MAX_PASS_LIFE_MS = 120_000
/** A nonce is remembered this much longer than its pass lives: the clocks of hosts differ. */
const CLOCK_MARGIN_MS = 10_000
/**
 * Its nonce is spent beside a verified token only, so a pass's holder could have tokens verified with it at will. A
 * client that must try again, for a new token or because Redis was away, does not need more.
 */
const MAX_PRESENTED = 5
const MAX_REMEMBERED = 100_000

// Version, expiry, nonce and owner stand at fixed places; the one part without a fixed length, the address, is not sent.
const VERSION = 1
const EXPIRY_AT = 1
const NONCE_AT = 7
const OWNER_AT = 23
const MAC_AT = 55
const PASS_BYTES = 87
/** 87 bytes are 116 characters with no bit to spare: no two texts are the same pass. */
const PASS_TEXT = /^[A-Za-z0-9_-]{116}$/

/** UTF-16, in which even lone surrogates differ, and the length of the first part: no two pairs give the same bytes. */
function digestOwner (key: Buffer, { userId, issuer }: Identity): Buffer {
  const issuerBytes = Buffer.from(issuer, 'utf16le')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(issuerBytes.length)
  return createHmac('sha256', key).update('owner\0').update(length).update(issuerBytes).update(userId, 'utf16le').digest()
}

function sign (key: Buffer, body: Buffer, addressKey: string): Buffer {
  return createHmac('sha256', key).update('ticket\0').update(body).update(addressKey).digest()
}

/** Makes and judges passes: HMAC-SHA-256 (RFC 2104) over user, issuer, address, expiry and nonce. */
export function createResumePasses ({ keys, now = Date.now }: ResumePassOptions): ResumePasses {
  const presented = createTwoGenerationMap<number>(MAX_REMEMBERED, MAX_PASS_LIFE_MS)

  function mayBePresented (nonce: string): boolean {
    const times = (presented.get(nonce) ?? 0) + 1
    if (times > MAX_PRESENTED) return false
    presented.set(nonce, times, performance.now())
    return true
  }

  return {
    issue (identity, addressKey, lifeMs) {
      const [key] = keys()
      if (key === undefined || identity.insecure) return null
      const body = Buffer.alloc(MAC_AT)
      body[0] = VERSION
      body.writeUIntBE(now() + Math.min(lifeMs, MAX_PASS_LIFE_MS), EXPIRY_AT, NONCE_AT - EXPIRY_AT)
      randomBytes(OWNER_AT - NONCE_AT).copy(body, NONCE_AT)
      digestOwner(key, identity).copy(body, OWNER_AT)
      return Buffer.concat([body, sign(key, body, addressKey)], PASS_BYTES).toString('base64url')
    },
    judge (text, addressKey) {
      if (!PASS_TEXT.test(text)) return null
      const pass = Buffer.from(text, 'base64url')
      const body = pass.subarray(0, MAC_AT)
      const key = keys().find(one => timingSafeEqual(sign(one, body, addressKey), pass.subarray(MAC_AT)))
      if (key === undefined || body[0] !== VERSION) return null
      const leftMs = body.readUIntBE(EXPIRY_AT, NONCE_AT - EXPIRY_AT) - now()
      if (leftMs <= 0 || leftMs > MAX_PASS_LIFE_MS) return null
      const nonce = body.toString('base64url', NONCE_AT, OWNER_AT)
      if (!mayBePresented(nonce)) return null
      return {
        resume: { nonce, ttlMs: Math.min(MAX_PASS_LIFE_MS, leftMs + CLOCK_MARGIN_MS) },
        isFor: identity => !identity.insecure && timingSafeEqual(digestOwner(key, identity), body.subarray(OWNER_AT, MAC_AT))
      }
    }
  }
}
