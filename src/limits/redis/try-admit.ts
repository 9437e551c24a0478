import { createScriptRunner, scriptsOn, type ScriptClient } from '../../redis/lua-script.js'
import { loadAdmitScript } from './scripts.js'

/** With limits that no attempt is measured by. */
const script = loadAdmitScript(
  { addressConnections: 1, addressWindowMs: 1, userConnections: 1, leaseMs: 1 }, { recordsKeptMs: 0, history: null }
)
const TIMEOUT_MS = 1000
/** No release, no listener, no attempt. */
const NOTHING_TO_DECIDE = ['', '']

/** Runs the script that decides attempts, without an attempt, on one Redis. Rejects where it may not run, or is not answered. */
export async function tryAdmit (node: Pick<ScriptClient, 'evalsha' | 'eval'>): Promise<void> {
  await createScriptRunner(scriptsOn(node), TIMEOUT_MS)(script, [], NOTHING_TO_DECIDE)
}
