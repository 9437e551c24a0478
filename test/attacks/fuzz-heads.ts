import { upgradeHead } from '../support/raw-socket.js'
import type { Random } from './random.js'

const METHODS = ['GET', 'get', 'POST', 'HEAD', 'OPTIONS', 'CONNECT', 'TRACE', 'PUT', 'DELETE', 'PRI', 'G\u0000T', '', 'X'.repeat(5000)]
const VERSIONS = ['HTTP/1.1', 'HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/9.9', 'http/1.1', 'HTTP/1.1 ', 'ICY', '']
const PATHS = ['/ws', '/ws/agents', '/ws/tasks', '/ws/', '/ws//', '/WS', '/', '*', '/%77s', '/ws\u0000', '/../ws', 'http://localhost/ws', '/v1/publish', '/other', `/${'a'.repeat(9000)}`, '']
const QUERIES = ['agent_ids=a1', 'agent_ids=*', 'task_ids=t1,t2', 'agent_ids=', 'agent_ids=a1&agent_ids=a2', 'refuse=close', 'refuse=x', 'event_types=e', '%zz', 'token=%ff', '&&&=', 'x='.repeat(500), 'token=a%26b', 'agent_ids=%2A', `agent_ids=${'a,'.repeat(3000)}a`]
const NAMES = ['Host', 'Upgrade', 'Connection', 'Sec-WebSocket-Key', 'Sec-WebSocket-Version', 'Sec-WebSocket-Protocol', 'Sec-WebSocket-Extensions', 'Origin', 'Authorization', 'X-Forwarded-For', 'Content-Length', 'Transfer-Encoding', 'Cookie', 'Expect', 'X-Other', '', ' ', 'A B', 'A\u0000B', 'é']
const VALUES = ['', ' ', 'websocket', 'Upgrade', 'keep-alive, Upgrade', '13', '8', '13, 8', 'null', 'https://evil.example', 'chunked', '0', '5', '-1', '99999999999999999999', 'Basic x', 'Bearer', 'Bearer a b', 'portcullis.v1', 'bearer.x', 'permessage-deflate; server_max_window_bits=99', '1.2.3.4, x', '[::1]:80', '\u0000', '\u001b[31m', '\u00ff\u00fe', 'x\ty', 'a'.repeat(5000), 'a,'.repeat(2000), '100-continue']

/** A line of the head that no client would send, or a good one a second time. */
const makeLine = (random: Random, tokens: readonly string[]): string =>
  `${random.pick(NAMES)}${random.pick([': ', ':', ' : ', ''])}${random.chance(0.15) ? `Bearer ${random.pick(tokens)}` : random.pick(VALUES)}`

function breakLines (random: Random, head: string, tokens: readonly string[]): string {
  const lines = head.split('\r\n')
  for (let count = random.below(4); count > 0; count--) {
    const at = 1 + random.below(Math.max(1, lines.length - 2))
    const kind = random.below(5)
    if (kind === 0) lines.splice(at, 1)
    else if (kind === 1) lines.splice(at, 0, lines[at] ?? '')
    else if (kind === 2) lines[at] = (lines[at] ?? '').toUpperCase()
    else lines.splice(at, 0, makeLine(random, tokens))
  }
  if (random.chance(0.05)) lines.splice(1, 0, ...Array.from({ length: 20 + random.below(200) }, (_, n) => `X-${n}: ${n}`))
  return lines.join(random.chance(0.05) ? '\n' : '\r\n')
}

/** A good head of an upgrade; `token` may be none or one that must be refused. */
export function makeGoodHead (random: Random, token: string): string {
  const query = random.chance(0.5) ? '' : `&${random.pick(['agent_ids=a1', 'agent_ids=*', 'task_ids=t1', 'refuse=close', 'event_types=e', 'agent_ids=nobody'])}`
  if (random.chance(0.3)) return upgradeHead(`/ws?x=1${query}`, { Authorization: `Bearer ${token}` })
  if (random.chance(0.3)) return upgradeHead(`/ws?x=1${query}`, { 'Sec-WebSocket-Protocol': `portcullis.v1, bearer.${token}` })
  return upgradeHead(`/ws?token=${token}${query}`)
}

/** A head that is wrong somewhere, or nothing like a head. */
export function makeBadHead (random: Random, tokens: readonly string[]): Buffer {
  const token = random.pick(tokens)
  const kind = random.below(10)
  if (kind === 0) return random.bytes(1 + random.below(3000))
  if (kind === 1) return Buffer.concat([Buffer.from('0d0a0d0a000d0a515549540a', 'hex'), random.bytes(4 + random.below(40)), Buffer.from(makeGoodHead(random, token))])
  if (kind === 2) return Buffer.concat([Buffer.from([22, 3, 1]), random.bytes(200)])
  if (kind === 3) return Buffer.from(makeGoodHead(random, token) + random.pick([makeGoodHead(random, random.pick(tokens)), 'GET / HTTP/1.1\r\n\r\n', 'x'.repeat(100), upgradeHead('/ws').repeat(5)]), 'latin1')
  let head = makeGoodHead(random, random.pick([token, `${token}x`, token.slice(0, -1), 'noise', '']))
  if (random.chance(0.4)) head = head.replace(/^GET [^ ]* HTTP\/1\.1/, () => `${random.pick(METHODS)} ${random.pick(PATHS)}?${random.pick(QUERIES)} ${random.pick(VERSIONS)}`)
  else if (random.chance(0.4)) head = head.replace('?', `?${random.pick(QUERIES)}&`)
  const bytes = Buffer.from(breakLines(random, head, tokens), 'latin1')
  for (let flips = random.chance(0.3) ? random.below(5) : 0; flips > 0; flips--) bytes[random.below(bytes.length)] = random.below(256)
  return random.chance(0.15) ? bytes.subarray(0, random.below(bytes.length)) : bytes
}
