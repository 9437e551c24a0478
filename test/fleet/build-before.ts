import { PROJECT } from '../support/root.js'

const script = await import(new URL('scripts/build-before.js', PROJECT).href) as { ensureBuildBefore (): string, hasHistory (): boolean }

/**
 * `ensureBuildBefore`: the folder of the build before this one; made at the first call. Throws, and says what to do, where it
 * cannot be had. `hasHistory`: false in a copy of the work tree, which has no repository and was given no such folder.
 */
export const { ensureBuildBefore, hasHistory } = script
