import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { PROJECT } from './root.js'

const TEST = new URL('test/', PROJECT)

/** The titles in a file below `test/` as they stand in its source: those of a table with its holes. */
export function titlesIn (file: string): string[] {
  const path = fileURLToPath(new URL(file, TEST))
  if (!existsSync(path)) return []
  const titles = readFileSync(path, 'utf8').matchAll(/\.test\((['`])((?:\\.|(?!\1)[^\\])*)\1|^ {2}\['((?:\\.|[^'\\])*)',/gm)
  return [...titles].map(([, , title, row]) => (title ?? row ?? '').replaceAll("\\'", "'"))
}
