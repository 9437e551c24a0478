import { PROJECT } from '../support/root.js'

const script = await import(new URL('scripts/build-before.js', PROJECT).href) as { ensureBuildBefore (): string, hasHistory (): boolean }

/**
 * `ensureBuildBefore`: the folder of the build before this one; made at the first call. Throws, and says what to do, where it
 * cannot be had. `hasHistory`: false where that commit is not in the history, and no such folder was given.
 */
export const { ensureBuildBefore, hasHistory } = script
