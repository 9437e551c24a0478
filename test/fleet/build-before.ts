import { PROJECT } from '../support/root.js'

const script = await import(new URL('scripts/build-before.js', PROJECT).href) as { ensureBuildBefore (): string, COMMIT_BEFORE: string }

/** The folder of the build before this one; made at the first call. Throws, and says what to do, where it cannot be had. */
export const { ensureBuildBefore, COMMIT_BEFORE } = script
