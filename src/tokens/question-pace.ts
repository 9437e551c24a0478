import type { Timers } from '../timers.js'

/** `arriving`: somebody waits to be let in; `open`: about a connection that is open already. */
export type QuestionKind = 'arriving' | 'open'

/** Leave to ask one question. */
export interface Turn {
  /** No question was asked: the turn is another's. */
  giveBack (): void
}

/** Lets `perS` questions begin in a second, and the rest wait. */
export interface QuestionPace {
  /** Resolves at this question's turn; null when too many of those who arrive wait already, and after the end. */
  take (kind: QuestionKind): Promise<Turn | null>
  /** Nobody waits any more. */
  close (): void
}

export interface QuestionPaceOptions {
  /** Questions that may begin in any second: 1 or more. */
  readonly perS: number
  /** Of those who arrive, how many may wait: their upgrades are answered by a deadline, and a question after it is for nobody. */
  readonly maxArriving: number
  /** Monotonic, in ms. */
  readonly now: () => number
  readonly timers: Pick<Timers, 'after'>
}

const SECOND_MS = 1000

/** Makes the pace of one process. The two kinds take turns while both wait, so that neither starves the other. */
export function createQuestionPace ({ perS, maxArriving, now, timers }: QuestionPaceOptions): QuestionPace {
  /** When the questions of the last second began, oldest first. */
  const begun: number[] = []
  const arriving: Array<(turn: Turn | null) => void> = []
  const open: Array<(turn: Turn | null) => void> = []
  let [first, second] = [arriving, open]
  let cancel: (() => void) | null = null
  let closed = false

  function begin (): Turn {
    const atMs = now()
    begun.push(atMs)
    let given = false
    return {
      giveBack () {
        const place = given ? -1 : begun.lastIndexOf(atMs)
        given = true
        if (place >= 0) begun.splice(place, 1)
        serve()
      }
    }
  }

  function serve (): void {
    const nowMs = now()
    while (begun[0] !== undefined && nowMs - begun[0] >= SECOND_MS) begun.shift()
    while (begun.length < perS) {
      const next = first.shift() ?? second.shift()
      if (next === undefined) return
      ;[first, second] = [second, first]
      next(begin())
    }
    if (arriving.length + open.length > 0) wakeAfter(SECOND_MS - (nowMs - (begun[0] ?? nowMs)))
  }

  function wakeAfter (ms: number): void {
    cancel ??= timers.after(Math.max(1, ms), () => {
      cancel = null
      serve()
    })
  }

  return {
    async take (kind) {
      const line = kind === 'arriving' ? arriving : open
      if (closed || (kind === 'arriving' && line.length >= maxArriving)) return null
      return await new Promise(resolve => {
        line.push(resolve)
        serve()
      })
    },
    close () {
      closed = true
      cancel?.()
      for (const leave of [...arriving.splice(0), ...open.splice(0)]) leave(null)
    }
  }
}
