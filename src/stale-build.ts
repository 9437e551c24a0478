import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * In a checkout, a source file that was written after what the build in `dist/` made of it: what runs is then not what one reads. Null
 * where the build is up to date, and where there are no sources, as in the image. Some milliseconds.
 * @param root folder that has `src` and `dist`
 */
export function findNewerSource (root: string): string | null {
  const writtenMs = (...path: string[]): number => statSync(join(root, ...path)).mtimeMs
  try {
    // The compiler leaves files as they are whose text stays the same, and marks its own; a script is copied each time.
    const compiledMs = writtenMs('dist', '.tsbuildinfo')
    const isNewer = (file: string): boolean => writtenMs('src', file) > (file.endsWith('.lua') ? writtenMs('dist', file) : compiledMs)
    const newer = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(file => /\.(ts|lua)$/.test(file)).find(isNewer)
    return newer === undefined ? null : join('src', newer)
  } catch {
    return null
  }
}
