import t from 'tap'
import { SETTINGS } from '../../src/config/settings.js'
import { titlesIn } from '../support/test-titles.js'
import { readDocument } from './documents.js'

const PAGE = readDocument('STANDARDS.md')
const COLUMNS = ['no.', 'what is asked', 'stands', 'how', 'shown by']
const STANDS = ['met', 'partly', 'not', 'not ours']
/** What the page has a table of; the least number of its rows, which a cut would fall under. */
const SOURCES: ReadonlyArray<readonly [string, number]> = [
  ['OWASP WebSocket Security Cheat Sheet', 28], ['OWASP ASVS 5.0', 22], ['RFC 9700', 18], ['RFC 8725', 12], ['RFC 9068', 12], ['RFC 9449', 12],
  ['RFC 7662', 8], ['OpenID Connect Back-Channel Logout 1.0', 11], ['RFC 8417 and RFC 8935', 13]
]

interface Row { readonly source: string, readonly cells: readonly string[] }

/** The tables' rows below each heading, heads and rules of tables left out. */
function readRows (): Row[] {
  return PAGE.split(/^## /m).slice(1).flatMap(section => {
    const [source = '', ...lines] = section.split('\n')
    const rows = lines.filter(line => line.startsWith('|')).map(line => line.slice(1, -1).split('|').map(cell => cell.trim()))
    return rows.slice(2).map(cells => ({ source, cells }))
  })
}

const ROWS = readRows()
const nameOf = ({ source, cells }: Row): string => `${source}: ${cells[0] ?? ''}`
/** Each test that a row names, as its file and its title. */
const testsOf = ({ cells }: Row): Array<readonly [string, string]> =>
  [...(cells[4] ?? '').matchAll(/`([^`]+\.test\.ts)` "([^"]+)"/g)].map(([, file = '', title = '']) => [file, title])

t.test('each standard has its table, and no row has an empty cell', async (t) => {
  t.same(SOURCES.filter(([source, least]) => ROWS.filter(row => row.source.startsWith(source)).length < least), [])
  t.same(ROWS.filter(({ cells }) => cells.length !== COLUMNS.length || cells.includes('')).map(nameOf), [])
  t.equal(PAGE.split(`| ${COLUMNS.join(' | ')} |`).length - 1, SOURCES.length, 'all tables have the same head')
  t.same(ROWS.filter(({ cells }) => !STANDS.includes(cells[2] ?? '')).map(nameOf), [])
})

t.test('what is met, or partly, is shown by tests that are there; all else says why it is not', async (t) => {
  const isShown = ({ cells }: Row): boolean => ['met', 'partly'].includes(cells[2] ?? '')
  t.same(ROWS.filter(row => isShown(row) !== (testsOf(row).length > 0)).map(nameOf), [])
  t.same(ROWS.filter(row => testsOf(row).map(([file, title]) => `\`${file}\` "${title}"`).join('; ') !== (row.cells[4] ?? '').replace('–', '')).map(nameOf), [])
  const missing = ROWS.flatMap(row => testsOf(row).filter(([file, title]) => !titlesIn(file).includes(title)).map(([file, title]) => `${nameOf(row)}: ${file} "${title}"`))
  t.same(missing, [])
})

t.test('each setting that the page names is there', async (t) => {
  const named = [...PAGE.matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|ISSUERS)\b/g)].map(([, name = '']) => name)
  t.ok(named.length > 60, `${named.length} are named`)
  t.same(named.filter(name => !(name in SETTINGS)), [])
})
