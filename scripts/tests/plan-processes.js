import { readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A test that imports one of these starts a server, a process or a socket. It has a process for itself. */
const GUEST = /^node:(child_process|cluster|dgram|dns|http|https|net|tls|worker_threads)(\/|$)|^(#?ioredis|postgres|ws|playwright-core)$/
const IMPORT = /^import (?!type\b)[^']*'([^']+)'|\bimport\('([^']+)'\)/gm
/** Files that look at the whole process, or change it: the native layer reads the environment that it is loaded in. */
const ALONE = /\bprocess\.(exit|exitCode|on|once|emit|env|argv|stdout|stderr|kill|chdir|umask)\b|process, '|\bloadBinding\b/

/** They compute for a quarter of a minute each, which their size does not show: begun last, they would run alone in the end. */
const FIRST = new Set(['test/simulator/simulator.test.ts', 'test/simulator/simulator-more.test.ts'])

/** More than any file takes or has bytes; a number, as two of them are compared. */
const LONGEST = Number.MAX_SAFE_INTEGER

/** Pure files that share one process: enough of them to save the start, few enough that several processes share the work. */
const TOGETHER = 25

/**
 * Shares test files out to processes: a file that needs the process, a server or a socket has one for itself, the others
 * run together. The longest stand first, so that none is left alone at the end: by the times of the last run, and where
 * there is none by the size of the file.
 * @param {readonly string[]} files
 * @param {Readonly<Record<string, number>>} lastMs what each took, in ms
 */
export function planProcesses (files, lastMs) {
  const weigh = (group) => group.reduce((sum, file) => sum + (FIRST.has(file) ? LONGEST : lastMs[file] ?? statSync(file).size), 0)
  const pure = files.filter(isPure)
  const alone = files.filter((file) => !pure.includes(file)).map((file) => [file])
  const count = Math.ceil(pure.length / TOGETHER)
  const groups = Array.from({ length: count }, (_, n) => pure.filter((_, index) => index % count === n))
  return [...alone, ...groups].toSorted((a, b) => weigh(b) - weigh(a))
}

function isPure (file) {
  const seen = new Set()
  const touches = (path) => {
    if (seen.has(path)) return false
    seen.add(path)
    const text = readFileSync(path, 'utf8')
    if (ALONE.test(text)) return true
    return [...text.matchAll(IMPORT)].map(([, stated, dynamic]) => stated ?? dynamic).some((from) => {
      if (!from.startsWith('.')) return GUEST.test(from)
      const target = join(dirname(path), from).replace(/\.js$/, '.ts')
      return target.startsWith('test/') && touches(target)
    })
  }
  return !touches(file)
}
