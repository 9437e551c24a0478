import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { PROJECT } from './root.js'

/** An interpreter that can run the Python client; where there is none, why a test that needs it is left out. */
export function findPython (): { readonly python: string, readonly missing: string | false } {
  try {
    const script = fileURLToPath(new URL('scripts/ensure-python.js', PROJECT))
    return { python: execFileSync(process.execPath, [script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim(), missing: false }
  } catch (error) {
    const { stderr } = error as { readonly stderr?: string }
    return { python: '', missing: (stderr ?? String(error)).trim().split('\n').at(-1) ?? 'no Python' }
  }
}
