import { once } from 'node:events'
import { isDeepStrictEqual, inspect } from 'node:util'
import type { Frame } from '../support/client.js'
import type { Lifetime } from '../support/gateway.js'
import { until } from '../support/until.js'
import type { Case, CaseOptions, Step } from './case-files.js'
import { createMovedClock } from './moved-clock.js'
import { openPage, type Heard, type Page } from './played-page.js'
import { startScriptedServer, type Peer, type ScriptedServer } from './scripted-server.js'

const LIMITS = { frame_bytes: 1_048_576, messages: 100, message_window_s: 60, connections: 5, filter_ids: 50, subscribes_per_s: 10 }
const EVENT = { type: 'event', event: 'x', data: null, ts: '2026-11-27T12:00:00.000Z' }
/** Parameters of the address that are not looked at. */
const OTHER_PARAMETERS = ['refuse', 'resume', 'token']

function expect (what: string, found: unknown, wanted: unknown): void {
  if (!isDeepStrictEqual(found, wanted)) throw new Error(`${what}: ${inspect(found, { depth: 9 })}\n  instead of ${inspect(wanted, { depth: 9 })}`)
}

/** A frame without its id, and with sorted lists of ids. */
function bare ({ id, ...frame }: Frame): Frame {
  const sorted = Object.entries(frame).map(([name, value]) => [name, /_ids$/.test(name) && Array.isArray(value) ? value.toSorted() : value])
  return Object.fromEntries(sorted) as Frame
}

/** What was heard, as far as the step names it. */
function asFar (wanted: Heard, heard: Heard): Heard {
  if (!('event' in wanted && 'event' in heard)) return heard
  const [named, event] = [wanted['event'], heard['event']] as [Record<string, unknown>, Record<string, unknown>]
  return { event: Object.fromEntries(Object.entries(event).filter(([name]) => name in named || name === 'replayed')) }
}

/** Plays one case. Rejects at the first step that does not come about, and says which. */
export async function playCase (t: Lifetime, played: Case): Promise<void> {
  const server = await startScriptedServer(t, () => {}, () => {})
  const player = new Player(server, played.options)
  t.teardown(() => { player.leave() })
  for (const [n, step] of played.steps.entries()) {
    try {
      await player.play(step)
    } catch (error) {
      throw new Error(`step ${n + 1}, ${step.key}: ${(error as Error).message}`)
    }
  }
  await player.end()
}

class Player {
  private readonly clock = createMovedClock()
  private readonly values = new Map<string, string>()
  private page: Page
  private user: string | null = 'alice'
  /** As the gateway calls the user of this connection. */
  private userId = ''
  private connections = 0
  private asked = 0
  private readonly unanswered: unknown[] = []

  constructor (private readonly server: ScriptedServer, private options: CaseOptions) {
    this.page = this.open()
  }

  leave (): void { this.page.leave() }

  private open (): Page {
    return openPage({ url: this.server.url, options: this.options, user: () => this.user, values: this.values, clock: this.clock })
  }

  private get peer (): Peer {
    const peer = this.server.peers[this.connections - 1]
    if (peer === undefined) throw new Error('there is no connection')
    return peer
  }

  async play ({ key, value }: Step): Promise<void> {
    switch (key) {
      case 'connects': return await this.connect(value)
      case 'welcome': return this.welcome(value)
      case 'answers': return this.peer.send({ id: value.type === 'event' ? this.unanswered[0] : this.unanswered.shift(), ...value })
      case 'sends': return this.peer.send(value)
      case 'event': return this.peer.send({ ...EVENT, ...value })
      case 'breaks': return this.peer.socket.terminate()
      case 'asks': return await this.ask(value)
      case 'calls': return Object.entries(value).forEach(([name, given]) => { this.page.call(name, given) })
      case 'resolves': return expect('the call ends', await this.page.ends.shift(), '')
      case 'rejects': return expect('the call ends', await this.page.ends.shift(), value)
      case 'signs_in': this.user = value; return
      case 'page_load': return this.load(value)
      case 'stores': return this.values.forEach((_, name) => { this.values.set(name, value) })
      case 'passes_ms': return this.clock.pass(value)
      case 'hears': return await this.hear(value)
      default: throw new Error('no such step')
    }
  }

  private async connect (query: Readonly<Record<string, string>>): Promise<void> {
    await until('a connection', () => this.server.peers.length > this.connections)
    this.connections++
    this.asked = this.unanswered.length = 0
    const found = [...this.peer.query].filter(([name]) => !OTHER_PARAMETERS.includes(name))
    expect('the address has', Object.fromEntries(found), query)
  }

  private welcome (members: Readonly<Record<string, unknown>>): void {
    this.userId = String(members['user_id'] ?? this.user)
    this.peer.welcome({ limits: LIMITS, user_id: this.userId, ...members })
  }

  private async ask (frame: Frame): Promise<void> {
    await until(`the client asks ${JSON.stringify(frame)}`, () => this.peer.got.length > this.asked)
    const got = this.peer.got[this.asked++] as Frame
    this.unanswered.push(got['id'])
    expect('the client asks', bare(got), bare(frame))
  }

  private async hear (wanted: Heard): Promise<void> {
    await until(`the application hears ${JSON.stringify(wanted)}`, () => this.page.heard.length > 0)
    const heard = this.page.heard.shift() as Heard
    expect('the application hears', asFar(wanted, heard), wanted)
  }

  private load (options: CaseOptions): void {
    expect('left to hear', this.page.heard, [])
    this.page.leave()
    this.options = { ...this.options, ...options }
    this.page = this.open()
  }

  async end (): Promise<void> {
    const { peer } = this
    // Wanted also where the application wants some events only.
    peer.send({ ...EVENT, topic: `user:${this.userId}`, event: 'done', data: 'the end of the case' })
    await this.hear({ event: { data: 'the end of the case' } })
    // The pong follows what the client has sent before it.
    const pong = once(peer.socket, 'pong')
    peer.socket.ping()
    await pong
    expect('left to hear', this.page.heard, [])
    expect('left of what the client asks', peer.got.slice(this.asked), [])
    expect('calls without an end', this.page.ends.length, 0)
  }
}
