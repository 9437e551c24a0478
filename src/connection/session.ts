import type { ClientAddress } from '../address/client-address.js'
import type { Lease } from '../limits/limiter.js'
import type { Refusal } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'
import type { Cursor } from './cursor.js'
import type { Socket } from './transport.js'

/** Shared by all that never sent one. */
const NO_BAD_FRAMES: readonly [number, number] = [-Infinity, -Infinity]

/** One open connection. Plain state: the steps that act on it are functions in their own files. */
export class Session {
  /** Why it ends or has ended; null while it is open. */
  ending: Refusal | null = null
  messagesIn = 0
  messagesOut = 0
  /** How much of that the metrics have counted. */
  countedIn = 0
  countedOut = 0
  /** On the steady clock; kept up only where idle connections are ended. */
  lastDataAtMs: number
  /** When it ends unless its token is replaced, on the steady clock. Set as a token comes into force. */
  endsAtMs = Infinity
  /** Goes up with each new token: an answer about rights that was asked for with the old one is out of date. */
  identityGeneration = 0
  /** `expiring` was sent for the token in use. */
  warnedOfExpiry = false
  /** Frames that wait for a message grant, oldest first; null while none does. */
  waiting: Array<Uint8Array | null> | null = null
  waitingBytes = 0
  /** Frames that were refused as their address's window could not be read. */
  undecidedFrames = 0
  /** When the last two malformed frames came. */
  badFrameAtMs = NO_BAD_FRAMES
  pingWindowStartMs = 0
  pingsInWindow = 0
  /** Topics it listens to. */
  readonly topics = new Set<string>()
  /** Those of them whose live events it does not get yet; null: it gets all. */
  held: Map<string, Cursor> | null = null
  /** Those of them in which it has passed over events that it does not want; null: none. */
  passedOver: Set<string> | null = null
  /** Subscribe frames in the current second. */
  subscribeWindowStartMs = 0
  subscribesInWindow = 0
  /** Settles once the tokens that came so far have taken effect, or were refused; null: none is being checked. */
  refreshing: Promise<void> | null = null
  /** Its subscribe and unsubscribe frames under way: the next waits for the last. */
  work: Promise<void> | null = null
  workBytes = 0
  /** Its slot was given back ahead of its end: its lease must not be renewed. */
  vacated = false
  /** Where the deadline wheel holds it, in seconds of the steady clock; 0: nowhere. */
  wheelS = 0
  /** Its place among those of the same second there. */
  wheelPlace = -1
  /** In which part of the registry it is, and its place there. */
  bucket = 0
  bucketPlace = -1

  constructor (
    readonly connectionId: string,
    public identity: Identity,
    readonly address: ClientAddress,
    readonly path: string,
    readonly lease: Lease,
    /** The token itself, only where the authorizer presents it to a back end; else `''`. */
    public token: string,
    /** Narrows its events; null: all. */
    public eventTypes: ReadonlySet<string> | null,
    readonly socket: Socket,
    /** On the steady clock. */
    readonly openedAtMs: number,
    /** Its address is on the allow list: its messages are not limited. */
    readonly exempt: boolean
  ) {
    this.lastDataAtMs = openedAtMs
  }
}
