// Compiled tests import `../src/x.js` as their sources do: there they find what the suite proves, the build itself.
import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname } from 'node:path'

const links = { '.test-build/src': '../dist', '.test-build/packages/client/src': '../../../dist/client' }
for (const [link, target] of Object.entries(links)) {
  rmSync(link, { recursive: true, force: true })
  mkdirSync(dirname(link), { recursive: true })
  symlinkSync(target, link)
}
