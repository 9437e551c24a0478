/** Deepest nesting of data that passes through: what comes after parses and writes JSON recursively. */
export const MAX_DEPTH = 128

/** Whether arrays and objects stand more than `depth` deep in each other. Goes no deeper than that itself. */
export function isDeeperThan (value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (depth === 0) return true
  for (const part of Object.values(value)) {
    if (isDeeperThan(part, depth - 1)) return true
  }
  return false
}
