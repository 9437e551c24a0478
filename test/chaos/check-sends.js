const STORED = 'what a client was told is stored is in the stream exactly once'
const NEVER_TWICE = 'nothing that a client sent is in the stream twice'

/** The last writes before a loss, as long as they may have been on their way. */
const ON_THE_WAY_MS = 1500

/** With the stream read to its end. @param {import('./world.js').World} world */
export function checkSends ({ sends, steadiness, tally }) {
  for (const [id, { madeAtMs, sentAtMs, entries }] of sends.sendings) {
    const tell = () => ({ text: `${id}, sent at ${new Date(madeAtMs).toISOString()}`, lines: [{ entries: [...entries], sentAtMs }] })
    tally.check(NEVER_TWICE, entries.size <= 1, tell)
    if (sentAtMs === null) continue
    const isLost = entries.size === 0 && steadiness.lossesBetween(madeAtMs - ON_THE_WAY_MS, Infinity).length > 0
    if (isLost) tally.except('stored, and lost with what Redis lost before the back end took it', [{ id, sentAtMs }])
    tally.check(STORED, entries.size === 1 || isLost, tell)
  }
}
