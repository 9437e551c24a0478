// Compiled tests import `../src/x.js` as their sources do: there they find what the suite proves, the build itself.
import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { dirname } from 'node:path'

const links = { '.test-build/src': '../dist', '.test-build/packages/client/src': '../../../dist/client' }
for (const [link, target] of Object.entries(links)) {
  mkdirSync(dirname(link), { recursive: true })
  // One that stands is the right one, and a run of the tests may be using it.
  if (!existsSync(link)) symlinkSync(target, link)
}
