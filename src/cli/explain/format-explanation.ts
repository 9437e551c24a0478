import type { ExplainedLimits, ExplainedStep, Explanation } from '../../explain/explanation.js'

const SHOWN = { pass: 'ok', fail: 'fail', not_reached: '-' } as const

const CONTROL = /\p{Cc}/gu
/** A line stays a line, and no command to a terminal. */
const showControls = (text: string): string => text.replace(CONTROL, control => JSON.stringify(control).slice(1, -1))

function formatStep ({ step, verdict, because, setting, claim }: ExplainedStep): string {
  const decided = [setting, claim === undefined ? undefined : `claim ${claim}`].filter(each => each !== undefined).join(', ')
  return `${SHOWN[verdict].padEnd(4)}  ${step.padEnd(11)}  ${showControls(because)}${decided === '' ? '' : ` [${decided}]`}`
}

function formatLimits ({ address, user }: ExplainedLimits): string[] {
  return [
    ...(address === undefined ? [] : [`attempts of the address: ${address.used} of ${address.limit}, room for one more in ${address.reset_s} s at the latest`]),
    ...(user === undefined ? [] : [`connections of the user: ${user.used} of ${user.limit}`])
  ]
}

/** One line for each step, the counts, and the outcome. */
export function formatExplanation ({ outcome, steps, limits }: Explanation): string {
  return [...steps.map(formatStep), '', ...formatLimits(limits), `outcome: ${outcome}`, ''].join('\n')
}
