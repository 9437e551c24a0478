import { existsSync } from 'node:fs'

/** The folder above `folder` that holds package.json. */
function findRoot (folder: URL): URL {
  return existsSync(new URL('package.json', folder)) ? folder : findRoot(new URL('..', folder))
}

/** The project's folder, wherever the compiled tests stand. Ends with a slash, so that `new URL('docs/x.md', PROJECT)` is a file of it. */
export const PROJECT = findRoot(new URL('.', import.meta.url))
