import type { Timers } from '../timers.js'
import type { IntrospectionFailure, IntrospectionFault, Introspector } from './introspect.js'
import type { QuestionKind, QuestionPace } from './question-pace.js'
import type { SharedAnswer, SharedAnswers } from './shared-answers.js'

/** Why there is no answer: the issuer's failure; or `busy`, more questions wait than may be asked in time. */
export type DeskFault = IntrospectionFault | 'busy'

export type DeskAnswer =
  /** `askedAtMs`: when the issuer was asked, steady, in ms. */
  { readonly kind: 'active' | 'inactive', readonly askedAtMs: number } |
  { readonly kind: 'failed', readonly fault: DeskFault, readonly detail: string | null }

/** What became of one question. `shared`: another process had asked it. */
export type IntrospectionOutcome = 'active' | 'inactive' | 'shared' | 'failed' | 'busy'

/** Finds out whether tokens of one issuer are active: from another process, else from the issuer. */
export interface IntrospectionDesk {
  /**
   * An answer to a question asked at most `maxAgeMs` ago. One question at a time for each token and kind. Never rejects.
   */
  ask (token: string, kind: QuestionKind, maxAgeMs: number): Promise<DeskAnswer>
  /**
   * The issuer's own answer now, for an operator's question: it takes its turn, counts for nobody, and is neither shared nor counted.
   * Never rejects.
   */
  peek (token: string): Promise<DeskAnswer>
  close (): void
}

export interface IntrospectionDeskDeps {
  readonly introspector: Introspector
  readonly pace: QuestionPace
  /** Null: this process shares with nobody. */
  readonly shared: SharedAnswers | null
  /** Longest time that another process is waited for, in ms. */
  readonly patienceMs: number
  /** Told of each question that ended; must not throw. `failure`: with the outcome `failed`. */
  readonly onOutcome: (outcome: IntrospectionOutcome, failure: IntrospectionFailure | null) => void
  /** Steady, in ms. */
  readonly now: () => number
  readonly timers: Pick<Timers, 'after'>
}

/** How soon an answer is looked for again that another process has gone to fetch. */
const LOOK_AGAIN_MS = 100
const OURS = { kind: 'ours' } as const

/** Makes the desk of one issuer; it ends its introspector with itself. */
export function createIntrospectionDesk (deps: IntrospectionDeskDeps): IntrospectionDesk {
  const { introspector, pace, shared, patienceMs, onOutcome, now, timers } = deps
  const asking: Record<QuestionKind, Map<string, Promise<DeskAnswer>>> = { arriving: new Map(), open: new Map() }

  async function find (token: string, kind: QuestionKind, maxAgeMs: number): Promise<DeskAnswer> {
    const untilMs = now() + patienceMs
    for (;;) {
      const turn = await pace.take(kind)
      if (turn === null) return fail('busy')
      const taken = await take(token, maxAgeMs)
      if (taken.kind === 'ours' || (taken.kind === 'claimed' && now() >= untilMs)) return await askIssuer(token)
      turn.giveBack()
      if (taken.kind !== 'claimed') {
        onOutcome('shared', null)
        return { kind: taken.kind, askedAtMs: now() - taken.ageMs }
      }
      await wait(Math.min(LOOK_AGAIN_MS, taken.forMs))
    }
  }

  /** Sharing spares the issuer questions, and is worth no refusal: while it fails each process asks for itself. */
  async function take (token: string, maxAgeMs: number): Promise<SharedAnswer> {
    return await shared?.take(token, maxAgeMs).catch(() => OURS) ?? OURS
  }

  async function askIssuer (token: string): Promise<DeskAnswer> {
    const askedAtMs = now()
    const answer = await introspector.ask(token)
    const failure = answer.kind === 'failed' ? answer : null
    onOutcome(answer.kind, failure)
    const told = answer.kind === 'failed' ? null : answer.kind
    shared?.keep(token, told, now() - askedAtMs).catch(() => { /* the others ask for themselves */ })
    return answer.kind === 'failed' ? answer : { kind: answer.kind, askedAtMs }
  }

  function fail (fault: 'busy'): DeskAnswer {
    onOutcome(fault, null)
    return { kind: 'failed', fault, detail: null }
  }

  const wait = async (ms: number): Promise<void> => { await new Promise<void>(resolve => { timers.after(Math.max(1, ms), resolve) }) }

  return {
    ask (token, kind, maxAgeMs) {
      const line = asking[kind]
      const asked = line.get(token)
      if (asked !== undefined) return asked
      const answer = find(token, kind, maxAgeMs).finally(() => { line.delete(token) })
      line.set(token, answer)
      return answer
    },
    async peek (token) {
      // At the pace of all questions: who may explain may not flood the issuer.
      if (await pace.take('arriving') === null) return { kind: 'failed', fault: 'busy', detail: null }
      const askedAtMs = now()
      const answer = await introspector.ask(token)
      return answer.kind === 'failed' ? answer : { kind: answer.kind, askedAtMs }
    },
    close: () => { introspector.close() }
  }
}
