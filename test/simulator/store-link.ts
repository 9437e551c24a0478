import type { Head, HeadAnswer, HeadQuestion, History, Publication, Published, Range, Slice } from '../../src/history/history.js'
import type { MemoryHistory } from '../../src/history/memory-history.js'
import { RedisTimeout } from '../../src/redis/bounded-wait.js'
import type { Host } from './host.js'
import type { SimRedis } from './sim-redis.js'
import type { World } from './world.js'

/** As RedisHistory waits. */
const TIMEOUT_MS = 1000
/** Until the connection stands again after it was lost, most often. */
const RECONNECT_MS = 300

type HeadAnswers = ReadonlyArray<PromiseSettledResult<HeadAnswer>>

/** What Redis says where something else stands in a key's place. */
export const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'

/** One host's connection for commands: the history as it is seen over the network. */
export class StoreLink implements History {
  /** Answers are lost before this. */
  losesAnswersUntilMs = 0
  private connection = 0
  private upAtMs = 0
  private readonly pending = new Set<(error: Error) => void>()
  private lastToServerMs = 0
  private lastBackMs = 0

  /** `process`: the name under which it hears what users' own topics carry; null: it needs no note of its own. */
  constructor (
    private readonly world: World, private readonly redis: SimRedis, private readonly host: Host,
    private readonly process: string | null = null
  ) {
    redis.links.add(this)
  }

  readonly publish = async (publications: readonly Publication[]): Promise<ReadonlyArray<PromiseSettledResult<Published>>> =>
    await Promise.allSettled(publications.map(async (publication) => {
      const [outcome] = await this.ask(async history => await history.publish([publication]))
      if (outcome?.status === 'fulfilled') return outcome.value
      throw outcome?.reason instanceof Error ? outcome.reason : new Error('no outcome')
    }))

  readonly readHeads = async (questions: readonly HeadQuestion[]): Promise<HeadAnswers> =>
    await this.ask(async history => this.noting(questions, await history.readHeads(questions)))
      .catch((reason: unknown) => questions.map((): PromiseRejectedResult => ({ status: 'rejected', reason })))

  readonly readEvents = async (topic: string, range: Range): Promise<Slice> =>
    await this.ask(async history => await history.readEvents(topic, range))

  readonly renew = async (topic: string, seen: Head): Promise<Head> => {
    this.world.count('renewals asked for')
    return await this.ask(async history => await history.renew(topic, seen))
  }

  readonly close = (): void => { this.redis.links.delete(this) }

  /** The connection is lost; what is under way may have arrived. */
  cut (): void {
    this.connection++
    this.upAtMs = this.world.nowMs + this.world.chance.span(RECONNECT_MS)
    const lost = [...this.pending]
    this.pending.clear()
    for (const reject of lost) this.host.enter(() => { reject(new Error('Connection is closed.')) })
  }

  /** The script notes the process with each head of a user's topic that is to live on. */
  private noting (questions: readonly HeadQuestion[], answers: HeadAnswers): HeadAnswers {
    const { process, redis } = this
    if (process === null) return answers
    return answers.map((answer, n) => {
      const question = questions[n]
      return question?.touch !== true || redis.note(question.topic, process) ? answer : { status: 'rejected', reason: new Error(WRONG_TYPE) }
    })
  }

  private async ask<T> (work: (history: MemoryHistory) => Promise<T>): Promise<T> {
    const { world, host, redis, pending } = this
    if (world.nowMs < this.upAtMs) throw new Error('connect ECONNREFUSED')
    const sentOn = this.connection
    return await new Promise<T>((resolve, reject) => {
      const fail = (error: Error): void => {
        cancel()
        pending.delete(fail)
        reject(error)
      }
      const cancel = host.after(TIMEOUT_MS, () => { fail(new RedisTimeout(`a script took longer than ${TIMEOUT_MS} ms`)) })
      const answer = (settle: () => void): void => {
        if (sentOn !== this.connection || world.nowMs < this.losesAnswersUntilMs) return
        this.lastBackMs = Math.max(this.lastBackMs, world.nowMs + redis.answersInMs + world.chance.span(world.knobs.latencyMs))
        world.scheduler.at(this.lastBackMs, () => {
          host.enter(() => {
            // A time-out, or the loss of the connection, has settled it.
            if (!pending.delete(fail)) return
            cancel()
            settle()
          })
        })
      }
      pending.add(fail)
      this.lastToServerMs = Math.max(this.lastToServerMs, world.nowMs + world.chance.span(world.knobs.latencyMs))
      world.scheduler.at(this.lastToServerMs, () => {
        if (redis.isDown || (sentOn !== this.connection && world.chance.chance(0.5))) return
        if (redis.refuses) return answer(() => { reject(new Error('OOM command not allowed when used memory > \'maxmemory\'.')) })
        work(redis.history).then(
          (value) => { answer(() => { resolve(value) }) },
          (error: unknown) => { answer(() => { reject(error instanceof Error ? error : new Error(String(error))) }) }
        )
      })
    })
  }
}
