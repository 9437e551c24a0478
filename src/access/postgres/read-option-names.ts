/** A word of `options`: a backslash makes a part of the word of what follows it. */
const WORD = /(?:\\.|[^\s\\])+/gs

/**
 * The names of the settings with a dot that a connection's parameter `options` gives (`-c name=value`, `--name=value`), as
 * Postgres reads it: it takes a dash in a name for an underscore.
 */
export function readOptionNames (options: string): string[] {
  const words = [...options.matchAll(WORD)].map(([word]) => word.replaceAll(/\\(.)/gs, '$1'))
  const given = words.flatMap((word, at) => {
    if (words[at - 1] === '-c') return [word]
    return word.startsWith('--') || (word.startsWith('-c') && word !== '-c') ? [word.slice(2)] : []
  })
  return given.map(setting => setting.split('=')[0]?.replaceAll('-', '_') ?? '').filter(name => name.includes('.'))
}
