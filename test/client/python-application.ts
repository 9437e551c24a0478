import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Lifetime } from '../support/gateway.js'
import { PROJECT } from '../support/root.js'
import type { Application, Heard } from './application.js'

const CLIENT = fileURLToPath(new URL('clients/python/', PROJECT))

/** What a Python process that uses the client needs of its environment. */
export const PYTHON_ENV = {
  PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', PYTHONPATH: `${CLIENT}src`, PYTHONDONTWRITEBYTECODE: '1', PYTHONWARNINGS: 'always'
}

type Line = { readonly done: number } | { readonly heard: Heard } | { readonly end: number, readonly reason: string }

/** An application of the Python client, in one process for all cases: it takes orders, and tells what it hears, by lines of JSON. */
export interface PythonApplication extends Application {
  /** As if nothing had been before: another user signs in, another storage, another clock. */
  begin (): Promise<void>
}

/** `python`: the interpreter. Its faults go to this process's stderr. */
export function startPythonApplication (t: Lifetime, python: string): PythonApplication {
  const child = spawn(python, [`${CLIENT}tests/play_pages.py`], { stdio: ['pipe', 'pipe', 'inherit'], env: PYTHON_ENV })
  t.teardown(async () => {
    child.stdin.end()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  const heard: Heard[] = []
  const ends: Array<Promise<string>> = []
  const orders = new Map<number, { readonly resolve: () => void, readonly reject: (error: Error) => void }>()
  const calls = new Map<number, (reason: string) => void>()
  let [orderNumber, callNumber] = [0, 0]

  createInterface(child.stdout).on('line', (text) => {
    const line = JSON.parse(text) as Line
    if ('heard' in line) heard.push(line.heard)
    else if ('end' in line) calls.get(line.end)?.(line.reason)
    else orders.get(line.done)?.resolve()
  })
  child.on('exit', () => { for (const { reject } of orders.values()) reject(new Error('the Python process has ended')) })

  async function order (what: object): Promise<void> {
    const n = ++orderNumber
    const done = new Promise<void>((resolve, reject) => { orders.set(n, { resolve, reject }) })
    child.stdin.write(JSON.stringify({ n, ...what }) + '\n')
    await done
    orders.delete(n)
  }
  return {
    heard,
    ends,
    async begin () {
      await order({ do: 'begin' })
      heard.length = ends.length = 0
    },
    open: async (url, options) => { await order({ do: 'open', url, options }) },
    leave: async () => { await order({ do: 'leave' }) },
    async call (name, given) {
      const number = ++callNumber
      ends.push(new Promise((resolve) => { calls.set(number, resolve) }))
      await order({ do: 'call', number, name, options: given })
    },
    signIn: async (user) => { await order({ do: 'sign_in', user }) },
    signOut: async () => { await order({ do: 'sign_out' }) },
    close: async () => { await order({ do: 'close' }) },
    store: async (text) => { await order({ do: 'store', text }) },
    pass: async (ms) => { await order({ do: 'pass', ms }) },
    settle: async () => { await order({ do: 'settle' }) }
  }
}
