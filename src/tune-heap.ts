import { setFlagsFromString } from 'node:v8'

/**
 * Tells V8 what the heap of a gateway is like: very many objects that live as long as one upgrade, some milliseconds, and
 * some that live for hours, made by the same lines of code.
 *
 * `allocation-site-pretenuring` has V8 make the objects of a line in the old space once most of a sample lived on. At a
 * process's quiet start they do; then every upgrade's request, token included, stays until the next full collection:
 * measured, of each upgrade 2.2 KB outlived the scavenger instead of 0.5 KB.
 */
export function tuneHeap (): void {
  setFlagsFromString('--no-allocation-site-pretenuring')
}
