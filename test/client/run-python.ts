import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Lifetime } from '../support/gateway.js'
import { PYTHON_ENV } from './python-application.js'

export interface PythonProgram {
  readonly lines: () => string[]
  /** What it has written that nobody asked for. */
  readonly errors: () => string
  readonly exited: Promise<number | null>
}

/** Runs a program with the Python client; a coroutine, an exception or a socket that nobody took is said on stderr. */
export function runPython (t: Lifetime, python: string, code: string): PythonProgram {
  const child = spawn(python, ['-u', '-c', code], { stdio: ['ignore', 'pipe', 'pipe'], env: PYTHON_ENV })
  const exited = once(child, 'exit').then(([status]) => status as number | null)
  let [output, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
  t.teardown(async () => {
    child.kill()
    await exited
  })
  // What has no end yet is no line: Python writes one in pieces.
  return { lines: () => output.split('\n').slice(0, -1).map(line => line.trim()).filter(Boolean), errors: () => errors, exited }
}
