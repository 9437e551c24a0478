// Programs of the Go module proxy that tests and benches borrow: each built once, and kept outside the tree.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const BUILD_TIMEOUT_MS = 1_800_000

/** The folder in which the project keeps such programs, unless a variable of the environment names another. */
export const cacheFolder = name => join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'portcullis', name)

/**
 * The path of a program, built where it is not there yet: some minutes. Null, with a word, where there is no Go or the build fails.
 * @param {{ name: string, version: string, module: string, folder: string, note: (text: string) => void, build?: boolean }} asked
 *   `module`: the path of the package in Go, without its version; `build: false`: only look for it
 * @returns {string | null}
 */
export function findGoProgram ({ name, version, module, folder, note, build = true }) {
  const place = join(folder, `${name}-${version}`)
  const binary = join(place, name)
  if (existsSync(binary)) return binary
  if (!build) return null
  if (spawnSync('go', ['version'], { stdio: 'ignore' }).status !== 0) {
    note(`no ${name} ${version}: it is built with Go, which is not here; ${binary} is where it may stand`)
    return null
  }
  note(`building ${name} ${version} (once, some minutes)`)
  mkdirSync(folder, { recursive: true })
  const part = mkdtempSync(join(folder, 'part-'))
  try {
    // Without C it runs on any Linux, so that the image's platform can borrow it.
    const { status } = spawnSync('go', ['install', '-trimpath', `${module}@v${version}`], {
      env: { ...process.env, GOBIN: part, CGO_ENABLED: '0' }, stdio: ['ignore', 'ignore', 'pipe'], timeout: BUILD_TIMEOUT_MS
    })
    if (status !== 0) {
      note(`no ${name} ${version}: go install ${module}@v${version} failed`)
      return null
    }
    mkdirSync(place, { recursive: true })
    renameSync(join(part, name), binary)
    return binary
  } finally {
    rmSync(part, { recursive: true, force: true })
  }
}
