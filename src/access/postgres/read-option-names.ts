/** A word of `options`: a backslash makes a part of the word of what follows it. */
const WORD = /(?:\\.|[^\s\\])+/gs
/** Letters that take no value when they stand after a dash: several may stand together, also before one that takes a value. */
const FLAGS: ReadonlySet<string> = new Set('BbEeFijlnOPsT')

/** What one word gives; `wantsNext`: the next word is its value. */
interface Read { readonly setting: string | null, readonly wantsNext: 'setting' | 'value' | null }

/** Reads a word as getopt does: `-c name=value`, `-cname=value`, `--name=value`, and flags before any of these: `-ec name=value`. */
function readWord (word: string): Read {
  if (!word.startsWith('-')) return { setting: null, wantsNext: null }
  let at = 1
  while (FLAGS.has(word.charAt(at))) at++
  const [letter, value] = [word.charAt(at), word.slice(at + 1)]
  const isSetting = letter === 'c' || letter === '-'
  if (value !== '') return { setting: isSetting ? value : null, wantsNext: null }
  if (letter === '') return { setting: null, wantsNext: null }
  return { setting: null, wantsNext: isSetting ? 'setting' : 'value' }
}

/**
 * The names of the settings that a connection's parameter `options` gives, as Postgres reads it: it takes a dash in a name for an
 * underscore.
 */
export function readOptionNames (options: string): string[] {
  const given: string[] = []
  let wanted: Read['wantsNext'] = null
  for (const [escaped] of options.matchAll(WORD)) {
    const word = escaped.replaceAll(/\\(.)/gs, '$1')
    const { setting, wantsNext }: Read = wanted === null ? readWord(word) : { setting: wanted === 'setting' ? word : null, wantsNext: null }
    if (setting !== null) given.push(setting)
    wanted = wantsNext
  }
  return given.map(setting => setting.split('=')[0]?.replaceAll('-', '_') ?? '')
}
