import { shorten } from '../output/table.js'
import { median, quantile } from './statistics.js'

/** A figure has changed when it did by more than this share, and by more than the middle half of the rounds is apart: less is noise. */
const CHANGED_SHARE = 0.1

/**
 * Says whether a figure was the server's or the load's: what became of it when a second load process shared the work.
 * @param {readonly number[]} one a round each, with one load process @param {readonly number[]} two with two @param {string} unit
 */
export function compareLoads (one, two, unit) {
  const [before, after] = [median(one), median(two)]
  const noise = Math.max(...[one, two].map(values => quantile(values, 0.75) - quantile(values, 0.25)))
  const change = Math.abs(after - before)
  const isLarge = change > CHANGED_SHARE * before
  const verdict = !isLarge ? 'unchanged' : change > noise ? '**changed**' : 'not told apart from noise'
  const figures = `${shorten(before)} ${unit} from one load process, ${shorten(after)} from two`
  return `${verdict} by a second load process (${figures})`
}
