import { fileURLToPath } from 'node:url'
import { findNewerSource } from '../stale-build.js'

/** Says on standard error that what runs was built before the sources were last changed. Silent where there are no sources. */
export function sayStaleBuild (): void {
  const newer = findNewerSource(fileURLToPath(new URL('../..', import.meta.url)))
  if (newer !== null) process.stderr.write(`portcullis: dist/ is older than ${newer}: npm run build\n`)
}
