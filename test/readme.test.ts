import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { PAGES, ROOT } from './docs/documents.js'

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

/** As Markdown renderers name a heading in an address: lower case, no punctuation, spaces as hyphens. */
const anchorOf = (heading: string): string => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')
const anchorsIn = (page: string): string[] => [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading))

t.test('every link inside the documents leads to a file that is there, and to a heading of it', async (t) => {
  const broken = PAGES.flatMap((page) => [...read(page).matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].flatMap(([link, path = '', anchor]) => {
    const target = path === '' ? page : join(dirname(page), path)
    if (!existsSync(join(ROOT, target))) return [`${page}: ${link}`]
    return anchor === undefined || !target.endsWith('.md') || anchorsIn(target).includes(anchor) ? [] : [`${page}: ${link}, no such heading`]
  }))
  t.same(broken, [])
})

t.test('every package that is installed has its reason on the page of dependencies', async (t) => {
  const { dependencies, optionalDependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
  const page = read('docs/DEPENDENCIES.md')
  t.same(Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies }).filter(name => !page.includes(`\`${name}\``)), [])
})

t.test('the README is short enough to be read: what is more stands in docs', async (t) => {
  const lines = read('README.md').split('\n')
  t.ok(lines.length <= 120, `${lines.length} lines`)
})
