import { fileURLToPath } from 'node:url'
import { startScript } from '../servers/child.js'

/**
 * Starts a load process of this folder.
 * @param {{ onEnd: (end: () => unknown) => void }} scope @param {string} name
 */
export async function startLoad (scope, name) {
  const child = await startScript(fileURLToPath(new URL(`${name}.js`, import.meta.url)))
  scope.onEnd(child.stop)
  return child
}
