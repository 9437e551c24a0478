/**
 * What clients sent to the back end: when, whether the gateway said that it is stored, and as which entries it was found.
 * @typedef {{ madeAtMs: number, sentAtMs: number | null, entries: Set<string> }} Sending
 */
export function createSendBook () {
  /** @type {Map<string, Sending>} */
  const sendings = new Map()
  return {
    sendings,
    /** A frame with an id of its own. @param {string} to */
    make (to) {
      const id = `send-${sendings.size}`
      sendings.set(id, { madeAtMs: Date.now(), sentAtMs: null, entries: new Set() })
      return { type: 'send', id, to, data: { key: id } }
    },
    /** The gateway says that it is stored. @param {string} id */
    acknowledge (id) {
      const sending = sendings.get(id)
      if (sending !== undefined) sending.sentAtMs = Date.now()
    },
    /**
     * The back end has found it. An entry that an old snapshot brought back has the same id.
     * @param {string} entryId @param {string[]} fields
     */
    find (entryId, fields) {
      const { key } = JSON.parse(fields[fields.indexOf('data') + 1])
      sendings.get(key)?.entries.add(entryId)
    }
  }
}
