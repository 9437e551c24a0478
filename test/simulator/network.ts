import { GatewayProcess } from './gateway-process.js'
import type { Host } from './host.js'
import type { Doubts } from './ledger/doubts.js'
import type { Place, Truth } from './ledger/truth.js'
import type { RightsBook } from './rights-book.js'
import type { SimRedis } from './sim-redis.js'
import type { SimSocket } from './sim-socket.js'
import { Wire, type Line } from './wire.js'
import type { World } from './world.js'

interface ConnectOptions {
  readonly socket: SimSocket
  readonly client: Host
  readonly line: Line
  readonly userId: string
  readonly search: string
  readonly onFrame: (text: string) => void
  readonly onSent: (text: string) => void
  /** Whether a frame comes twice to the client. */
  readonly repeats: (text: string) => boolean
  readonly onEnd: () => void
}

/** The processes, and the way to them. */
export class Network {
  readonly processes: GatewayProcess[] = []
  /** A user's client is on its way in. */
  onComing: ((userId: string) => void) | null = null
  private started = 0

  constructor (
    readonly world: World, readonly truth: Truth, readonly doubts: Doubts, readonly redis: SimRedis, readonly book: RightsBook
  ) {}

  /** Starts processes, at most so many, until all are there. */
  startMissing (most: number): void {
    for (let n = 0; n < most && this.processes.length < this.world.knobs.processes; n++) this.start()
  }

  private start (): void {
    this.processes.push(new GatewayProcess(this.world, this.redis, this.book, this.doubts, `gateway-${++this.started}`))
  }

  /** A process dies; `tells`: whether its machine tells a client. */
  kill (process: GatewayProcess, tells: () => boolean): void {
    const place = this.processes.indexOf(process)
    if (place === -1) return
    this.processes.splice(place, 1)
    process.die(tells)
    this.doubts.died(process.name, this.redis.topics.heads)
  }

  /** A back end was told where its event stands. */
  acknowledged (topic: string, place: Place, publication: { readonly id: string | null, readonly data: { readonly bytes: Buffer } }): void {
    const key = /"k":"([^"]+)"/.exec(publication.data.bytes.toString())?.[1] ?? null
    const instance = this.truth.find(topic, place, key)
    if (instance === undefined) {
      return this.world.fail('lie', `a back end is told that ${key ?? 'no JSON'} of ${topic} stands at ${place.epoch}:${place.offset}, where it never was`)
    }
    instance.isAcknowledged = true
    this.world.count('events acknowledged')
  }

  /** A right ends; `hears`: whether a process is told, or finds out by itself. */
  withdraw (userId: string, topic: string, hears: () => boolean): void {
    const { world, book } = this
    book.withdraw(userId, topic)
    for (const process of this.processes) {
      if (hears()) process.host.after(world.chance.span(world.knobs.latencyMs), () => { process.rights.recheck(userId) })
    }
  }

  /** Some process takes a client's connection, if there is one. */
  connect ({ socket, client, line, userId, search, onFrame, onSent, repeats, onEnd }: ConnectOptions): Wire {
    const { world, processes } = this
    const process = processes.length === 0 ? null : world.chance.pick(processes)
    const wire = new SeenWire({
      world,
      line,
      client,
      server: process?.host ?? client,
      onGone: (gone) => { process?.wires.delete(gone) },
      onArrived: (sent) => {
        if ('text' in sent) onFrame(sent.text)
        else onEnd()
        socket.arrive(sent)
        if ('text' in sent && repeats(sent.text)) socket.arrive(sent)
      }
    }, onSent)
    if (process === null) wire.cut()
    else process.host.after(world.chance.span(2 * world.knobs.latencyMs), () => { process.upgrade(wire, userId, search) })
    this.onComing?.(userId)
    return wire
  }
}

/** One whose frames to the server are seen. */
class SeenWire extends Wire {
  constructor (options: ConstructorParameters<typeof Wire>[0], private readonly onSent: (text: string) => void) { super(options) }

  override sendToServer (text: string): void {
    this.onSent(text)
    super.sendToServer(text)
  }
}
