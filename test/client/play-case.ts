import { once } from 'node:events'
import { isDeepStrictEqual, inspect } from 'node:util'
import type { Frame } from '../support/client.js'
import type { Lifetime } from '../support/gateway.js'
import { until } from '../support/until.js'
import type { Application, Heard } from './application.js'
import type { CallArguments, Case, CaseOptions, Step, Steps } from './case-files.js'
import { tokenOf } from './token-of.js'
import { startScriptedServer, type Peer, type ScriptedServer } from './scripted-server.js'

const LIMITS = { frame_bytes: 1_048_576, messages: 100, message_window_s: 60, connections: 5, filter_ids: 50, subscribes_per_s: 10 }
const EVENT = { type: 'event', event: 'x', data: null, ts: '2026-11-27T12:00:00.000Z' }
/** Parameters of the address that are not looked at. */
const OTHER_PARAMETERS = ['refuse', 'token']

function expect (what: string, found: unknown, wanted: unknown): void {
  if (!isDeepStrictEqual(found, wanted)) throw new Error(`${what}: ${inspect(found, { depth: 9 })}\n  instead of ${inspect(wanted, { depth: 9 })}`)
}

/** A frame with sorted lists of ids, and with its own id where that of the `wanted` frame is named. */
function bare ({ id, ...rest }: Frame, wanted: Frame): Frame {
  const frame = wanted['id'] === undefined ? rest : { ...rest, id }
  const sorted = Object.entries(frame).map(([name, value]) => [name, /_ids$/.test(name) && Array.isArray(value) ? value.toSorted() : value])
  return Object.fromEntries(sorted) as Frame
}

/** Of these the members count that a step names. */
const COMPARED_AS_NAMED = ['event', 'waiting', 'closed']

/** What was heard, as far as the step names it. */
function asFar (wanted: Heard, heard: Heard): Heard {
  const kind = COMPARED_AS_NAMED.find(kind => kind in wanted && kind in heard)
  if (kind === undefined) return heard
  const [named, told] = [wanted[kind], heard[kind]] as [Record<string, unknown>, Record<string, unknown>]
  return { [kind]: Object.fromEntries(Object.entries(told).filter(([name]) => name in named || name === 'replayed')) }
}

/** `token_of: bob` in a frame stands for the token of bob. */
function withToken ({ token_of: user, ...frame }: Frame): Frame {
  return user === undefined ? frame as Frame : { ...frame, token: tokenOf(String(user)) } as Frame
}

/** Plays one case with a client. Rejects at the first step that does not come about, and says which. */
export async function playCase (t: Lifetime, played: Case, application: Application): Promise<void> {
  const server = await startScriptedServer(t, () => {}, () => {})
  t.teardown(async () => { await application.leave() })
  const player = new Player(server, application, played.options)
  await application.open(server.url, played.options)
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
  private user: string | null = 'alice'
  /** As the gateway calls the user of this connection. */
  private userId = ''
  private connections = 0
  private asked = 0
  private readonly unanswered: unknown[] = []
  /** The client has said that it will not come back. */
  private isClosed = false

  constructor (private readonly server: ScriptedServer, private readonly application: Application, private options: CaseOptions) {}

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
      case 'closes': return this.close(value)
      case 'calls': return await this.call(value)
      case 'resolves': return expect('the call ends', await this.application.ends.shift(), '')
      case 'rejects': return expect('the call ends', await this.application.ends.shift(), value)
      case 'signs_in': return await this.signIn(value)
      case 'signs_out': return await this.application.signOut()
      case 'closes_client': return await this.application.close()
      case 'page_load': return await this.load(value)
      case 'stores': return await this.application.store(value)
      case 'passes_ms': return await this.application.pass(value)
      case 'hears': return await this.hear(value)
      default: throw new Error('no such step')
    }
  }

  private async call (calls: Readonly<Record<string, CallArguments>>): Promise<void> {
    for (const [name, given] of Object.entries(calls)) await this.application.call(name, given)
  }

  private async signIn (user: string | null): Promise<void> {
    this.user = user
    await this.application.signIn(user)
  }

  private async connect (query: Readonly<Record<string, string>>): Promise<void> {
    await until('a connection', () => this.server.peers.length > this.connections)
    this.connections++
    this.asked = this.unanswered.length = 0
    const found = [...this.peer.query].filter(([name]) => !OTHER_PARAMETERS.includes(name))
    expect('the address has', Object.fromEntries(found), query)
  }

  private close ({ code, ...reason }: Steps['closes']): void {
    this.peer.close(code, Object.keys(reason).length === 0 ? undefined : reason)
  }

  private welcome (members: Readonly<Record<string, unknown>>): void {
    this.userId = String(members['user_id'] ?? this.user)
    this.peer.welcome({ limits: LIMITS, user_id: this.userId, ...members })
  }

  private async ask (frame: Frame): Promise<void> {
    await until(`the client asks ${JSON.stringify(frame)}`, () => this.peer.got.length > this.asked)
    const got = this.peer.got[this.asked++] as Frame
    this.unanswered.push(got['id'])
    expect('the client asks', bare(got, frame), bare(withToken(frame), frame))
  }

  private async hear (wanted: Heard): Promise<void> {
    await until(`the application hears ${JSON.stringify(wanted)}`, () => this.application.heard.length > 0)
    const heard = this.application.heard.shift() as Heard
    expect('the application hears', asFar(wanted, heard), wanted)
    this.isClosed = 'closed' in heard
  }

  private async load (options: CaseOptions): Promise<void> {
    await this.application.leave()
    expect('left to hear', this.application.heard, [])
    this.options = { ...this.options, ...options }
    await this.application.open(this.server.url, this.options)
  }

  async end (): Promise<void> {
    if (!this.isClosed) await this.hearTheEnd(this.peer)
    await this.application.settle()
    expect('left to hear', this.application.heard, [])
    expect('left of what the client asks', this.server.peers[this.connections - 1]?.got.slice(this.asked) ?? [], [])
    expect('connections', this.server.peers.length, this.connections)
    expect('calls without an end', this.application.ends.length, 0)
  }

  private async hearTheEnd (peer: Peer): Promise<void> {
    // Wanted also where the application wants some events only.
    peer.send({ ...EVENT, topic: `user:${this.userId}`, event: 'done', data: 'the end of the case' })
    await this.hear({ event: { data: 'the end of the case' } })
    await this.application.settle()
    // The pong follows what the client has sent before it.
    const pong = once(peer.socket, 'pong')
    peer.socket.ping()
    await pong
  }
}
