export type Grade = 'ok' | 'warn' | 'fail'

/** What became of looking at one thing. */
export interface Verdict {
  /** What was looked at: `settings`, `issuer keycloak`, `redis`, … */
  readonly part: string
  readonly verdict: Grade
  /** Why, in words for an operator; never a secret. */
  readonly reason: string
}

const judge = (verdict: Grade) => (part: string, reason: string): Verdict => ({ part, verdict, reason })

export const ok = judge('ok')
export const warn = judge('warn')
export const fail = judge('fail')

/** Whether nothing failed. */
export const isGood = (verdicts: readonly Verdict[]): boolean => verdicts.every(({ verdict }) => verdict !== 'fail')

/** One line for each, and one that sums up. */
export function formatLines (verdicts: readonly Verdict[]): string {
  const width = Math.max(...verdicts.map(({ part }) => part.length))
  const count = (grade: Grade): number => verdicts.filter(({ verdict }) => verdict === grade).length
  const lines = verdicts.map(({ part, verdict, reason }) => `${verdict.padEnd(4)}  ${part.padEnd(width)}  ${reason}`)
  return [...lines, '', `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed`, ''].join('\n')
}

/** The same as one JSON object: `{"ok", "checks": [{"part", "verdict", "reason"}]}`. */
export function formatJson (verdicts: readonly Verdict[]): string {
  return `${JSON.stringify({ ok: isGood(verdicts), checks: verdicts }, null, 2)}\n`
}
