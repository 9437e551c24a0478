import { readdirSync, readFileSync } from 'node:fs'

const PLAIN_NAME = /^[a-z][a-z0-9-]*\.js$/

/** The built client's modules by file name. Read once, so that no request ever names a path. Throws when the directory cannot be read. */
export function readClientFiles (directory: URL): ReadonlyMap<string, string> {
  const modules = readdirSync(directory, { withFileTypes: true }).filter(entry => entry.isFile() && PLAIN_NAME.test(entry.name))
  return new Map(modules.map(({ name }) => [name, readFileSync(new URL(name, directory), 'utf8')]))
}
