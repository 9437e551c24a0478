import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PROJECT } from '../support/root.js'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }
export type JsonObject = { readonly [name: string]: Json }

export const ROOT = fileURLToPath(PROJECT)

/** Every page that people read, as a path in the project. */
export const PAGES = [
  'README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'packages/client/README.md', 'packages/client/cases/README.md',
  'clients/python/README.md', 'src/limits/README.md', 'test/simulator/README.md',
  ...['docs', 'ops'].flatMap(folder => (readdirSync(join(ROOT, folder), { recursive: true }) as string[]).map(file => `${folder}/${file}`))
].filter(file => file.endsWith('.md'))

export function readDocument (file: string): string {
  return readFileSync(new URL(`docs/${file}`, PROJECT), 'utf8')
}

/** The object at a path of names inside a document; fails the test when there is none. */
export function objectAt (document: Json, ...path: readonly string[]): JsonObject {
  let at: Json | undefined = document
  for (const name of path) {
    at = isObject(at) ? at[name] : undefined
  }
  if (!isObject(at)) throw new Error(`no object at ${path.join('.')}`)
  return at
}

export function isObject (value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What a `$ref` inside a document means; anything else is itself. */
export function follow (document: Json, value: JsonObject): JsonObject {
  const ref = value['$ref']
  return typeof ref === 'string' ? objectAt(document, ...ref.slice(2).split('/').map(name => name.replaceAll('~1', '/'))) : value
}

/** The code blocks of one language in a Markdown document. */
export function codeBlocks (text: string, language: string): string[] {
  return [...text.matchAll(/^```([^\n]*)\n([^]*?)^```$/gm)].filter(([, found]) => found === language).map(([,, block = '']) => block)
}
