import type { Logger } from 'pino'
import { Cluster, type Redis } from '#ioredis'
import { tryAdmit } from '../limits/redis/try-admit.js'
import { createMinuteLines } from '../observe/minute-lines.js'
import type { SampledLines } from '../observe/sampled-lines.js'
import { writeEvent } from '../observe/log/log.js'
import type { Metrics } from '../observe/metrics/metrics.js'
import type { RedisClient } from '../redis/client.js'
import { classifyFailure } from '../redis/failure.js'
import { failedCommand } from '../redis/failed-command.js'
import { findDenied, type Denied } from '../redis/find-denied.js'
import type { LuaScript } from '../redis/lua-script.js'
import { patternOf, PLAIN_COMMANDS, type Need } from '../redis/needs.js'

/** Writes down what Redis refuses to do, apart from being away: that is the limits' affair. */
export interface RedisFailures {
  /** Written once for each error, though several parts may tell it. Cheap; never throws. */
  note (error: unknown): void
  /** The same of the history of one topic, and tells what follows from it. */
  noteUnreadable (error: unknown): void
  /** Asks Redis in advance what its user may not do, and writes it down. Never rejects. */
  look (): Promise<void>
  /** The user of Redis may not ask the limits: nobody can be let in. */
  cannotDecide (): boolean
  close (): void
}

export interface RedisFailuresDeps {
  readonly client: RedisClient
  readonly needs: readonly Need[]
  /** The script by which this process lets in. */
  readonly admitScript: LuaScript
  readonly log: Logger
  readonly metrics: Pick<Metrics, 'redisDenied' | 'historyUnreadable'>
  /** Monotonic, in ms. */
  readonly now?: () => number
}

/** Without Redis nothing is refused. */
export const NO_REDIS_FAILURES: RedisFailures = {
  note () {}, noteUnreadable () {}, async look () {}, cannotDecide: () => false, close () {}
}

/** What was found denied is asked again after this time: an operator may have mended it. */
const LOOK_AGAIN_MS = 5000
/** However much is denied, Redis is asked what it is no more often than this. */
const LOOK_GAP_MS = 1000
/** What scripts ask without a key. */
const IN_SCRIPTS: ReadonlySet<string> = new Set(['time'])
/** Beside the commands themselves; so labels and samples are bounded. */
const OTHER = 'other'

/** How often scripts with these keys met a denial. */
interface Unnamed { readonly names: readonly string[], count: number }

/** Its public parts are bound: they are passed on one by one. */
class FailureReport implements RedisFailures {
  private readonly now: () => number
  private readonly commands: ReadonlySet<string>
  private readonly seen = new WeakSet<object>()
  /** For each command that is denied, and for each fault at the same keys. */
  private readonly lines: SampledLines
  private denied: readonly Denied[] = []
  private scriptsDenied = false
  /** Denials in scripts that wait for the name of the command, by the patterns of all keys of the script. */
  private unnamed = new Map<string, Unnamed>()
  private looking: Promise<void> | null = null
  /** A denial was met during a look, which may have asked before it. */
  private metMeanwhile = false
  private lookedAtMs = -Infinity
  private next: { readonly atMs: number, readonly timer: NodeJS.Timeout } | null = null
  private closed = false

  constructor (private readonly deps: RedisFailuresDeps) {
    this.now = deps.now ?? (() => performance.now())
    this.lines = createMinuteLines(this.now)
    this.commands = new Set([...PLAIN_COMMANDS, 'client', 'cluster', ...deps.needs.flatMap(({ commands }) => commands)])
  }

  readonly note = (error: unknown): void => {
    const failure = classifyFailure(error)
    if (failure.kind === 'away' || this.closed) return
    if (typeof error === 'object' && error !== null) {
      if (this.seen.has(error)) return
      this.seen.add(error)
    }
    const failed = failedCommand(error)
    const names = this.patternsOf(failed?.names ?? [])
    if (failure.kind === 'fault') this.writeFault(failed?.command ?? 'redis', failure.code, names)
    else if (failed?.isInScript === true) this.nameLater(names)
    else {
      this.writeDenied(failed?.command ?? OTHER, names, 1)
      this.lookSoon()
    }
  }

  readonly noteUnreadable = (error: unknown): void => {
    this.note(error)
    const failure = classifyFailure(error)
    if (failure.kind === 'away' || this.closed) return
    this.deps.metrics.historyUnreadable()
    const reason = failure.kind === 'fault' ? failure.code : 'denied'
    const names = this.patternsOf(failedCommand(error)?.names ?? [])
    this.lines.note(`history ${reason}`, 1, (count) => {
      const missing = failure.kind === 'denied' ? this.denied.filter(({ need }) => names.includes(need.pattern)) : []
      const detail = missing.length === 0 ? {} : { detail: missing.map(({ command }) => command).join(' ') }
      writeEvent(this.deps.log, { event: 'history.unreadable', reason, names, count, ...detail })
    })
  }

  readonly look = async (): Promise<void> => {
    this.looking ??= this.ask().finally(() => { this.looking = null })
    await this.looking
  }

  readonly cannotDecide = (): boolean => this.scriptsDenied || this.denied.some(({ command, need }) => need.decides.includes(command))

  readonly close = (): void => {
    this.closed = true
    clearTimeout(this.next?.timer)
    this.lines.close()
  }

  private async ask (): Promise<void> {
    const { client } = this.deps
    clearTimeout(this.next?.timer)
    this.next = null
    this.lookedAtMs = this.now()
    this.metMeanwhile = false
    try {
      const nodes = client instanceof Cluster ? client.nodes('master') : [client]
      const found = await Promise.all(nodes.map(async node => await this.askNode(node)))
      this.denied = found.flatMap(({ denied }) => denied)
      this.scriptsDenied = found.some(({ mayDecide }) => !mayDecide)
    } catch (error) {
      this.note(error)
    }
    if (this.closed) return
    this.writeFound()
    // The look itself meets a denial where no script may run.
    if (this.metMeanwhile && !this.scriptsDenied) this.lookIn(LOOK_GAP_MS)
    else if (this.cannotDecide() || this.denied.length > 0) this.lookIn(LOOK_AGAIN_MS)
  }

  /** Rejects when Redis does not answer. */
  private async askNode (node: Redis): Promise<{ readonly denied: readonly Denied[], readonly mayDecide: boolean }> {
    const found = await unlessDenied(findDenied(node, this.deps.needs))
    const denied = found.value ?? []
    // Without EVAL a script runs for as long as Redis knows it: whether it knows that of the limits is tried.
    const isDoubtful = found.isDenied || denied.some(({ command }) => command === 'eval')
    return { denied, mayDecide: !isDoubtful || !(await unlessDenied(tryAdmit(node, this.deps.admitScript))).isDenied }
  }

  /** Any denial may be one that keeps everybody out. */
  private lookSoon (): void {
    if (this.looking === null) this.lookIn(Math.max(0, this.lookedAtMs + LOOK_GAP_MS - this.now()))
    else this.metMeanwhile = true
  }

  private lookIn (delayMs: number): void {
    const atMs = this.now() + delayMs
    if (this.closed || (this.next !== null && this.next.atMs <= atMs)) return
    clearTimeout(this.next?.timer)
    this.next = { atMs, timer: setTimeout(() => { void this.look() }, delayMs).unref() }
  }

  /** Redis does not say which command of a script it denied: what this user may not do with these keys is asked. */
  private nameLater (names: readonly string[]): void {
    const key = names.join(' ')
    const unnamed = this.unnamed.get(key) ?? { names, count: 0 }
    unnamed.count++
    this.unnamed.set(key, unnamed)
    this.lookSoon()
  }

  /**
   * One line for each command, with all that it is denied on; how often, where scripts met it. A script may have keys beside the one
   * that it was denied: only what nothing found explains is told of the script as a whole.
   */
  private writeFound (): void {
    const left = new Set(this.unnamed.values())
    const all = [...left]
    this.unnamed = new Map()
    for (const command of new Set(this.denied.map(denied => denied.command))) {
      const found = this.denied.filter(denied => denied.command === command)
      const isNameless = found.some(({ need }) => need.on === 'server')
      const names = [...new Set(found.flatMap(({ need }) => need.pattern === '' ? [] : [need.pattern]))]
      const met = all.filter(one => isNameless ? IN_SCRIPTS.has(command) : one.names.some(name => names.includes(name)))
      for (const one of met) left.delete(one)
      this.writeDenied(command, names, met.reduce((sum, { count }) => sum + count, 0))
    }
    const rest = [...left]
    if (rest.length > 0) this.writeDenied('evalsha', [...new Set(rest.flatMap(({ names }) => names))], rest.reduce((sum, { count }) => sum + count, 0))
  }

  private writeDenied (asked: string, names: readonly string[], times: number): void {
    const command = this.commands.has(asked) ? asked : OTHER
    this.deps.metrics.redisDenied(command, times)
    this.lines.note(`denied ${command}`, times, (count) => { writeEvent(this.deps.log, { event: 'redis.denied', command, names, count }) })
  }

  private writeFault (command: string, code: string, names: readonly string[]): void {
    const where = `redis: ${this.commands.has(command) ? command : OTHER}`
    this.lines.note(`${where} ${code} ${names.join(' ')}`, 1, (count) => { writeEvent(this.deps.log, { event: 'fault', where, error: code, names, count }) })
  }

  private patternsOf (names: readonly string[]): string[] {
    return [...new Set(names.flatMap(name => patternOf(name, this.deps.needs) ?? []))]
  }
}

/** What a call brought, or that this user has no right to it. Rejects with any other failure. */
async function unlessDenied<T> (call: Promise<T>): Promise<{ readonly isDenied: boolean, readonly value: T | null }> {
  try {
    return { isDenied: false, value: await call }
  } catch (error) {
    if (classifyFailure(error).kind !== 'denied') throw error
    return { isDenied: true, value: null }
  }
}

/** Makes the one place to which failures of Redis are told. */
export function createRedisFailures (deps: RedisFailuresDeps): RedisFailures {
  return new FailureReport(deps)
}
