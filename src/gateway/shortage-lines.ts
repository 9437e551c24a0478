/** Shortages that follow one another within this time, in ms, are told as one. */
const QUIET_MS = 10_000

/** What the log is told of shortages. */
export interface ShortageLines {
  /** It is short now. */
  begin (): void
  /** It is not any more. */
  end (): void
  /** Nothing is told any more. */
  close (): void
}

export interface ShortageLinesOptions {
  readonly onBegin: () => void
  /** It has not been short for `quietMs`. `durationMs`: from the first beginning to the last end; `count`: how often it was. */
  readonly onEnd: (durationMs: number, count: number) => void
  readonly quietMs?: number
  /** Monotonic, in ms. */
  readonly now?: () => number
}

interface Spell { readonly beganAtMs: number, count: number, quiet: NodeJS.Timeout | null }

/** Makes two lines of each spell, however often it comes and goes in it: an attacker must not fill the log, nor hide its end. */
export function createShortageLines (options: ShortageLinesOptions): ShortageLines {
  const { onBegin, onEnd, quietMs = QUIET_MS, now = () => performance.now() } = options
  let spell: Spell | null = null

  return {
    begin () {
      if (spell === null) {
        spell = { beganAtMs: now(), count: 0, quiet: null }
        onBegin()
      }
      spell.count++
      if (spell.quiet !== null) clearTimeout(spell.quiet)
      spell.quiet = null
    },
    end () {
      if (spell === null || spell.quiet !== null) return
      const { beganAtMs, count } = spell
      const durationMs = now() - beganAtMs
      spell.quiet = setTimeout(() => {
        spell = null
        onEnd(durationMs, count)
      }, quietMs).unref()
    },
    close () {
      if (spell?.quiet != null) clearTimeout(spell.quiet)
    }
  }
}
