import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { PROJECT } from './support/root.js'

const ROOT = fileURLToPath(PROJECT)

/** Words that stand where a subject, a number or a reason should. */
const VAGUE = /\b(who(m)?ever|so (many|long|seldom)|what [^.]{1,40} brings?)\b/i
const COMMENT = /\/\*[^]*?\*\/|(?<=^|[ \t])\/\/.*/gm
const COMMENTS = new Map([['lua', /--.*/g], ['py', /"""[^]*?"""|(?<=^|[ \t])#.*/gm]])

/** The comments of a source, all of a page; everything else is blanked, so that lines keep their numbers. */
function proseOf (file: string, text: string): string {
  if (file.endsWith('.md')) return text
  const prose = text.replace(/[^\n]/g, ' ').split('')
  for (const { 0: comment, index } of text.matchAll(COMMENTS.get(file.slice(file.lastIndexOf('.') + 1)) ?? COMMENT)) {
    for (const [i, char] of comment.split('').entries()) prose[index + i] = char
  }
  return prose.join('')
}

/** `path:line: what was found`, for every line that has one of the words. */
function findVague (file: string, text: string): string[] {
  return proseOf(file, text).split('\n').flatMap((line, i) => {
    const found = VAGUE.exec(line)
    return found === null ? [] : [`${file}:${i + 1}: ${found[0]}`]
  })
}

const isOurs = (path: string): boolean => /\.(tsx?|lua|md|py)$/.test(path) && !/(^|\/)(node_modules|dist)\//.test(path)
const FILES = ['src', 'packages', 'clients', 'docs'].flatMap(folder => (readdirSync(ROOT + folder, { recursive: true }) as string[])
  .map(path => `${folder}/${path}`)).filter(isOurs).concat('README.md', 'CONTRIBUTING.md', 'SECURITY.md').toSorted()

t.test('vague words are found in comments and pages, and not in code', async (t) => {
  t.same(findVague('a.ts', "const whoever = 'so long'\n// so many of them\n/**\n * Whoever comes.\n */"), ['a.ts:2: so many', 'a.ts:4: Whoever'])
  t.same(findVague('a.lua', 'local so = long\n-- what a tick brings'), ['a.lua:2: what a tick brings'])
  t.same(findVague('a.py', 'so = "so long"  # so many\n"""Whoever."""'), ['a.py:1: so many', 'a.py:2: Whoever'])
  t.same(findVague('a.md', 'Tickets live so long.'), ['a.md:1: so long'])
  t.ok(FILES.length > 200)
})

t.test('a comment says who, how many and how long: no "whoever", "so many", "so long", "what ... brings"', async (t) => {
  t.same(FILES.flatMap(file => findVague(file, readFileSync(ROOT + file, 'utf8'))), [])
})
