import { closeSync, openSync, readSync } from 'node:fs'

const NEWLINE = 10
const WAIT_MS = 5
const TIMEOUT_MS = 30_000

/**
 * Counts the lines of a growing log file, and what they say.
 * @param {string} path
 */
export function createLogLines (path) {
  const buffer = Buffer.allocUnsafe(1 << 20)
  let offset = 0
  let lines = 0
  const read = (onPart = () => {}) => {
    let file
    try {
      file = openSync(path, 'r')
    } catch {
      return lines
    }
    for (;;) {
      const size = readSync(file, buffer, 0, buffer.length, offset)
      if (size === 0) break
      offset += size
      const part = buffer.subarray(0, size)
      onPart(part)
      for (let at = part.indexOf(NEWLINE); at !== -1; at = part.indexOf(NEWLINE, at + 1)) lines++
    }
    closeSync(file)
    return lines
  }
  return {
    count: () => read(),
    /** Waits until the file has so many lines. @param {number} wanted */
    async until (wanted) {
      const endAt = performance.now() + TIMEOUT_MS
      while (read() < wanted) {
        if (performance.now() > endAt) throw new Error(`${lines} of ${wanted} lines in the log after ${TIMEOUT_MS} ms`)
        await new Promise((resolve) => { setTimeout(resolve, WAIT_MS) })
      }
    },
    /** Text written since the last read. */
    text () {
      let text = ''
      read((part) => { text += part.toString() })
      return text
    }
  }
}
