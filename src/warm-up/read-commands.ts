/**
 * Makes a reader of what a client of Redis sends (RESP: arrays of bulk strings): takes the bytes as they come, as latin1, in which a
 * character is a byte, and gives the commands that are whole. Throws on anything else: our own client sends nothing else.
 */
export function createCommandReader (): (bytes: string) => string[][] {
  let left = ''
  return (bytes) => {
    left += bytes
    const commands: string[][] = []
    for (let at = 0; ;) {
      const command = readCommand(left, at)
      if (command === null) {
        left = left.slice(at)
        return commands
      }
      commands.push(command.words)
      at = command.end
    }
  }
}

interface Read<T> { readonly words: T, readonly end: number }

/** Null: it is not whole yet. */
function readCommand (text: string, from: number): Read<string[]> | null {
  const count = readCount(text, from, '*')
  if (count === null) return null
  const words: string[] = []
  let { end } = count
  while (words.length < count.words) {
    const length = readCount(text, end, '$')
    if (length === null || text.length < length.end + length.words + 2) return null
    words.push(text.slice(length.end, length.end + length.words))
    end = length.end + length.words + 2
  }
  return { words, end }
}

function readCount (text: string, from: number, kind: '*' | '$'): Read<number> | null {
  const line = text.indexOf('\r\n', from)
  if (line === -1) return null
  if (text[from] !== kind) throw new Error('no command of Redis')
  return { words: Number(text.slice(from + 1, line)), end: line + 2 }
}
