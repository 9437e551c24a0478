import type { Random } from './random.js'

const TEXT = 1
const TOO_MANY = Array.from({ length: 51 }, (_, n) => `a${n}`)
const LENGTHS = [0, 1, 125, 126, 65_535, 65_536, 1_310_721, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER]
const OPCODES = [0, 1, 2, 3, 7, 8, 9, 10, 11, 15]
const SCRAPS = ['null', '[]', '{}', '""', '1e999', '-0', '"\\ud800"', '"__proto__"', '"constructor"', ',', ':', '\ufeff', '\u0000', '*', '["*","a1"]', 'true', '{"a":1,"a":2}']

const frames = (random: Random, tokens: readonly string[]): unknown[] => [
  { type: 'ping', id: random.pick(['', 'x', 'y'.repeat(64), 'z'.repeat(65)]) },
  { type: 'subscribe', id: 's', agent_ids: random.pick<unknown>([['a1'], ['a1', 'a2'], '*', ['*'], [], ['nobody'], TOO_MANY]) },
  { type: 'subscribe', agent_ids: ['a1'], event_types: random.pick<unknown>(['*', ['e'], [], ['a b']]) },
  { type: 'unsubscribe', agent_ids: random.pick<unknown>(['*', ['a1'], ['a9']]) },
  { type: 'send', id: 'm', to: random.pick(['agent:a1', 'agent:a2', 'task:t1', 'user:x', 'agent:*']), data: random.pick<unknown>([null, { deep: [[[1]]] }, 'x'.repeat(1000)]) },
  { type: 'refresh', token: random.pick([...tokens, 'noise', '']) }
]

/** The text of a message: a good one, or one with scraps, holes and flipped bits. */
function makeText (random: Random, tokens: readonly string[]): Buffer {
  const text = JSON.stringify(random.pick(frames(random, tokens)))
  if (random.chance(0.4)) return Buffer.from(text)
  const [from, length] = [random.below(text.length), random.below(12)]
  const changed = text.slice(0, from) + (random.chance(0.6) ? random.pick(SCRAPS) : '') + text.slice(from + length)
  if (random.chance(0.02)) return Buffer.from('['.repeat(50_000))
  const bytes = Buffer.from(random.chance(0.1) ? changed.repeat(200) : changed)
  if (random.chance(0.1) && bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256)
  return bytes
}

interface FrameShape {
  readonly fin: boolean
  readonly opcode: number
  readonly rsv: number
  readonly masked: boolean
  readonly claimed: number | null
}

/** One frame as it stands on the wire (RFC 6455 section 5.2); `claimed` is a length that lies. */
function encode (random: Random, payload: Buffer, { fin, opcode, rsv, masked, claimed }: FrameShape): Buffer {
  const length = claimed ?? payload.length
  const wide = length > 0xffff || random.chance(0.03)
  const header = Buffer.alloc(wide ? 10 : length > 125 ? 4 : 2)
  header[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  header[1] = (masked ? 0x80 : 0) | (wide ? 127 : length > 125 ? 126 : length)
  if (wide) header.writeBigUInt64BE(BigInt(length), 2)
  else if (length > 125) header.writeUInt16BE(length, 2)
  if (!masked) return Buffer.concat([header, payload])
  const mask = random.bytes(4)
  return Buffer.concat([header, mask, payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0))])
}

const honest = { fin: true, opcode: TEXT, rsv: 0, masked: true, claimed: null }

/** The bytes of one message, one attack, or a piece of either. */
export function makeMessage (random: Random, tokens: readonly string[]): Buffer {
  const text = makeText(random, tokens)
  const kind = random.below(12)
  if (kind < 5) return encode(random, text, honest)
  if (kind === 5) return encode(random, text, { ...honest, masked: false })
  if (kind === 6) {
    const shape = { ...honest, opcode: random.pick(OPCODES), fin: random.chance(0.7), rsv: random.chance(0.3) ? random.below(8) : 0 }
    return encode(random, text.subarray(0, 200), shape)
  }
  if (kind === 7) return encode(random, text, { ...honest, claimed: random.pick(LENGTHS) })
  if (kind === 8) {
    const cuts = Array.from({ length: 1 + random.below(20) }, (_, n) => text.subarray(n * 7, n * 7 + 7))
    const isLast = (n: number): boolean => n === cuts.length - 1 && random.chance(0.9)
    return Buffer.concat(cuts.map((cut, n) => encode(random, cut, { ...honest, opcode: n === 0 ? TEXT : 0, fin: isLast(n) })))
  }
  if (kind === 9) {
    const ping = (): Buffer => encode(random, random.bytes(random.below(20)), { ...honest, opcode: random.pick([9, 10]) })
    return Buffer.concat(Array.from({ length: random.below(200) }, ping))
  }
  if (kind === 10) {
    const code = random.pick([0, 999, 1000, 1001, 1004, 1005, 1006, 1012, 1015, 3000, 4000, 4999, 5000, 65_535])
    const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), random.bytes(random.below(130))])
    return encode(random, payload.subarray(0, random.pick([0, 1, 2, 125, 132])), { ...honest, opcode: 8 })
  }
  return random.bytes(1 + random.below(300))
}
