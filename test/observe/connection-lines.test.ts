import t from 'tap'
import { formatAccepted, formatClosed } from '../../src/observe/connection-lines.js'
import type { Line } from '../../src/observe/events.js'
import type { ClosedFacts, ConnectionFacts } from '../../src/observe/facts.js'
import { boundText, redactPath } from '../../src/observe/log/log-text.js'

const PAIRS = 20_000
const SEED = 0x5eed

/** Numbers from 0 to below 1, the same for the same seed. */
function createRandom (seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const random = createRandom(SEED)
const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
const PARTS = [
  'alice', 'a', ' ', '"', '\\', '\u0000', '\u001f', '\n', '\r\n', '\t', '\u007f', '\u0085', '\u2028', '\u2029', '\ud800', '\udc00', '🙂', 'é', '</script>',
  '%22', '/', '?token=eyJ', 'eyJhbGciOi', '__proto__', 'x'.repeat(200)
]
const TEXTS = Array.from({ length: 5000 }, () => Array.from({ length: Math.floor(random() * 5) }, () => pick(PARTS)).join(''))
const text = (): string => pick(TEXTS)
const number = (): number => pick([0, -0, 1000, 4429, 1e21, 5e-324, -1, 0.05, NaN, Infinity, random() * 1e6, Math.floor(random() * 1e15)])
const orNull = <T>(make: () => T): T | null => random() < 0.2 ? null : make()

function connection (): ConnectionFacts {
  return {
    connectionId: orNull(text),
    userId: orNull(text),
    address: { ip: text(), key: text() },
    issuer: orNull(text),
    path: random() < 0.5 ? `/ws/${text()}` : text(),
    insecure: random() < 0.3
  }
}

function closed (): ClosedFacts {
  return {
    reason: text(),
    code: orNull(number),
    durationMs: orNull(number),
    messagesIn: orNull(number),
    messagesOut: orNull(number),
    ...(random() < 0.3 ? { lostNode: text() } : {})
  }
}

const tenths = (value: number): number => Math.round(value * 10) / 10

// The lines as objects: the catalogue's types hold them to its fields, and `JSON.stringify` to what JSON is.

function acceptedLine ({ connectionId, userId, address, issuer, path, insecure }: ConnectionFacts, durationMs: number): Line<'connection.accepted'> {
  return {
    event: 'connection.accepted',
    connection_id: connectionId ?? undefined,
    user_id: userId === null ? undefined : boundText(userId, 512),
    ip: address.ip,
    issuer: issuer ?? undefined,
    path: redactPath(path),
    insecure: insecure || undefined,
    duration_ms: tenths(durationMs)
  }
}

function closedLine (facts: ConnectionFacts, { reason, code, durationMs, messagesIn, messagesOut, lostNode }: ClosedFacts): Line<'connection.closed'> {
  const { duration_ms: _, event: __, ...who } = acceptedLine(facts, 0)
  return {
    event: 'connection.closed',
    ...who,
    reason: boundText(reason),
    code: code ?? undefined,
    duration_ms: durationMs === null ? undefined : tenths(durationMs),
    messages_in: messagesIn ?? undefined,
    messages_out: messagesOut ?? undefined,
    lost_node: lostNode === undefined ? undefined : boundText(lostNode)
  }
}

t.test('the two lines of a connection are byte for byte what JSON.stringify makes of their objects', async (t) => {
  const offenders: string[] = []
  for (let n = 0; n < PAIRS && offenders.length < 5; n++) {
    const [who, tookMs, end] = [connection(), number(), closed()]
    const pairs = [[formatAccepted(who, tookMs), acceptedLine(who, tookMs)], [formatClosed(who, end), closedLine(who, end)]] as const
    for (const [written, line] of pairs) if (`{${written}` !== JSON.stringify(line)) offenders.push(`{${written}  <>  ${JSON.stringify(line)}`)
  }
  t.same(offenders, [])
})
