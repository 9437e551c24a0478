import type { BusEvent, Place } from '../../src/bus/bus.js'
import type { HeadAnswer, HeadQuestion, History } from '../../src/history/history.js'
import type { Position } from '../../src/history/position.js'
import type { TopicLogs } from '../../src/topic-log/topic-logs.js'
import type { JsonText } from '../../src/wire/json-text.js'
import type { Doubts } from './ledger/doubts.js'

const KEY = /"k":"[^"]+"/

/** What a log knows of its newest event. */
interface Inside { readonly logs: ReadonlyMap<string, { readonly lastAtMs: number }> }

/** Notes what a process meets that contradicts what it knows: by its own words in docs/HISTORY.md, not by what it makes of it. */
export class Witness {
  logs: TopicLogs | null = null
  /** Which numberings a log has known, by topic. */
  private readonly known = new Map<string, { readonly log: unknown, readonly epochs: Set<string> }>()

  constructor (private readonly doubts: Doubts, private readonly process: string) {}

  /** The same history; answers about heads are looked at as they come. */
  watch (history: History): History {
    return {
      ...history,
      readHeads: async (questions) => {
        const asked = this.doubts.any ? questions.map(({ topic }) => this.standOf(topic)) : []
        const answers = await history.readHeads(questions)
        for (const [n, before] of asked.entries()) {
          const [question, answer] = [questions[n], answers[n]]
          if (question !== undefined && answer?.status === 'fulfilled') this.compare(question, before, answer.value)
        }
        return answers
      }
    }
  }

  /** A message has come to the process. */
  hear (topic: string, { epoch, offset, atMs }: Place, { data }: BusEvent): void {
    const stand = this.doubts.any ? this.standOf(topic) : null
    if (stand?.epoch !== epoch || offset > stand.offset) return
    const held = this.logs?.after(topic, { epoch, offset: offset - 1 })
    const key = KEY.exec(String((data as JsonText).bytes))?.[0] ?? ''
    const isOther = held === undefined
      ? offset === stand.offset && stand.atMs !== 0 && stand.atMs !== atMs
      : held.event !== null && !Buffer.from(held.frame).toString().includes(key)
    if (isOther) this.doubts.witnessed(topic, epoch, this.process)
  }

  private compare ({ topic }: HeadQuestion, before: ReturnType<Witness['standOf']>, { epoch, top, topAtMs }: HeadAnswer): void {
    const now = this.standOf(topic)
    const isFormer = before !== null && before.epoch === now?.epoch && before.epoch !== epoch && this.hasKnown(topic, epoch)
    if (isFormer) this.doubts.witnessed(topic, epoch, this.process)
    if (before === null || before.epoch !== epoch || now?.epoch !== epoch) return
    const isOther = top === before.offset && before.atMs !== 0 && before.atMs !== topAtMs
    if (top < before.offset || isOther) this.doubts.witnessed(topic, epoch, this.process)
  }

  private hasKnown (topic: string, epoch: string): boolean { return this.known.get(topic)?.epochs.has(epoch) ?? false }

  private note (topic: string, epoch: string, log: unknown): void {
    const before = this.known.get(topic)
    const known = before?.log === log ? before : { log, epochs: new Set<string>() }
    known?.epochs.add(epoch)
    if (known !== undefined) this.known.set(topic, known)
  }

  private standOf (topic: string): (Position & { readonly atMs: number }) | null {
    const position = this.logs?.positionOf(topic) ?? null
    const inside = this.logs as unknown as Inside
    if (position !== null) this.note(topic, position.epoch, inside.logs.get(topic))
    return position === null ? null : { ...position, atMs: inside.logs.get(topic)?.lastAtMs ?? 0 }
  }
}
