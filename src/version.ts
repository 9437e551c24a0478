import { readFileSync } from 'node:fs'

/** This release, as package.json names it: the file stands beside the build, in the image too. */
export const VERSION = readVersion(new URL('../package.json', import.meta.url))

function readVersion (file: URL): string {
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, unknown>>
  return String(version)
}
