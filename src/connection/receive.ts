import { LimitUndecided } from '../limits/limiter.js'
import type { Passage } from '../limits/messages/address-grants.js'
import { refuse } from '../refusals.js'
import { readFrameId } from '../wire/codec.js'
import { turnIntoPong } from '../wire/turn-into-pong.js'
import { sendError } from './answer-frame.js'
import { handleFrame } from './handle-frame.js'
import { refuseFrame } from './refuse-frame.js'
import { endSession, sendText } from './send-end-close.js'
import type { Session } from './session.js'
import type { SessionContext } from './session-context.js'

const TOO_LARGE = refuse('frame_too_large')
const FLOODED = refuse('overloaded', { retryAfterMs: 1000 })
const LIMITS_AWAY = refuse('unavailable', { retryAfterMs: 1000, detail: 'limits' })

/** What one connection may have waiting, for a grant or for a back end: some large frames, or many small ones. */
const MAX_HELD_FRAMES = 4
const MAX_HELD_EXTRA_BYTES = 1_048_576
/** What a frame costs while it waits, besides its bytes. */
const FRAME_OVERHEAD_BYTES = 64

/**
 * Takes one data frame: its size, then the address's message limit, then its meaning. Whatever is in it, it counts.
 * Frames that wait for a grant keep their order.
 */
export function receive (context: SessionContext, session: Session, data: ArrayBuffer, isBinary: boolean): void {
  if (session.ending !== null) return
  if (context.idleMs > 0) session.lastDataAtMs = context.clocks.steadyNow()
  session.messagesIn++
  if (data.byteLength > context.limits.frame_bytes) return endSession(session, TOO_LARGE)
  if (session.waiting === null && (session.exempt || context.messageLimit.spend(session.address.key))) {
    context.report.messageAllowed()
    if (!isBinary && turnIntoPong(new Uint8Array(data))) return sendText(session, data, context.maxBufferedBytes)
    return understand(context, session, isBinary ? null : new Uint8Array(data))
  }
  // A frame that waits is copied, as the buffer dies with the call it came by.
  waitForGrant(context, session, isBinary ? null : new Uint8Array(data.slice(0)))
}

/** The text of a frame in UTF-8; null for one that can only be malformed: binary. */
type FrameBytes = Uint8Array | null

const heldBytes = (frame: FrameBytes): number => FRAME_OVERHEAD_BYTES + (frame?.length ?? 0)

/** A flood faster than Redis or a back end answers: the memory it may take is bounded. */
function isFlooding (context: SessionContext, session: Session): boolean {
  return session.waitingBytes + session.workBytes > MAX_HELD_FRAMES * context.limits.frame_bytes + MAX_HELD_EXTRA_BYTES
}

function understand (context: SessionContext, session: Session, frame: FrameBytes): void {
  if (frame === null) return refuseFrame(session, undefined, context.maxBufferedBytes)
  const workBefore = session.work
  handleFrame(context, session, frame)
  // The frame may have joined those that wait for a back end, one after the other.
  if (session.work === null || session.work === workBefore) return
  const held = heldBytes(frame)
  session.workBytes += held
  // Given back frame by frame: a client that always has one under way is no flood.
  void session.work.then(() => { session.workBytes -= held })
  if (isFlooding(context, session)) endSession(session, FLOODED)
}

function waitForGrant (context: SessionContext, session: Session, frame: FrameBytes): void {
  session.waiting ??= []
  session.waiting.push(frame)
  session.waitingBytes += heldBytes(frame)
  if (isFlooding(context, session)) return endSession(session, FLOODED)
  context.messageLimit.request(session.address.key).then(
    (verdict) => { takeVerdict(context, session, verdict) },
    (error: unknown) => {
      if (session.ending !== null) return
      if (error instanceof LimitUndecided) return refuseUndecided(context, session)
      context.report.fault(error, 'message')
      // Its frame has no verdict and never will, and those behind it must not pass it.
      endSession(session, LIMITS_AWAY)
    }
  ).catch((error: unknown) => { context.report.fault(error, 'message') })
}

/** Verdicts come in the order of the frames that wait, so each is for the oldest. */
function takeVerdict (context: SessionContext, session: Session, verdict: Passage): void {
  if (session.ending !== null || session.waiting === null) return
  if (verdict.granted) context.report.messageAllowed()
  else if (!context.dryRun) return endLimited(context, session, verdict.retryAfterMs)
  else context.report.messageLimited(session)
  const next = takeOldest(session)
  if (next !== undefined) understand(context, session, next)
}

/**
 * The address's window cannot be read, and no frame of it can be counted: this frame is refused, and the connection goes on
 * to receive. It ends after as many such frames as a window allows, as nothing else bounds them.
 */
function refuseUndecided (context: SessionContext, session: Session): void {
  const frame = takeOldest(session)
  if (frame === undefined) return
  if (context.dryRun) return understand(context, session, frame)
  sendError(session, frame === null ? undefined : readFrameId(frame), LIMITS_AWAY, context.maxBufferedBytes)
  if (++session.undecidedFrames > context.limits.messages) endSession(session, LIMITS_AWAY)
}

/** The frame that has waited longest: verdicts come in their order. */
function takeOldest (session: Session): FrameBytes | undefined {
  const oldest = session.waiting?.shift()
  if (session.waiting?.length === 0) session.waiting = null
  if (oldest !== undefined) session.waitingBytes -= heldBytes(oldest)
  return oldest
}

/** Over the message limit: the frame that clients know, then the close. */
export function endLimited (context: SessionContext, session: Session, retryAfterMs: number): void {
  const waitMs = Math.ceil(retryAfterMs)
  context.report.messageLimited(session)
  sendText(session, `{"type":"error","error":"Too Many Requests","code":429,"retry_after_ms":${waitMs}}`, context.maxBufferedBytes)
  endSession(session, refuse('too_many_requests', { retryAfterMs: waitMs }))
}

/** WebSocket pings of a connection in a minute. Far above what any client needs to stay connected, whatever the message limit is. */
export const MAX_PINGS = 120
const PING_WINDOW_MS = 60_000

/** Pings keep a connection alive and cost no Redis call, so they have a cap of their own. */
export function receivePing (context: SessionContext, session: Session): void {
  if (session.ending !== null) return
  const now = context.clocks.steadyNow()
  if (now - session.pingWindowStartMs >= PING_WINDOW_MS) {
    session.pingWindowStartMs = now
    session.pingsInWindow = 0
  }
  if (++session.pingsInWindow > MAX_PINGS) endLimited(context, session, session.pingWindowStartMs + PING_WINDOW_MS - now)
}
