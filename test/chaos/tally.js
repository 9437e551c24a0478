/** Most violations that are told in full; all are counted. */
const MAX_TOLD = 40
const MAX_EXAMPLES = 3

/**
 * Counts what is done and what is checked.
 * @typedef {{ invariant: string, text: string, lines: object[] }} Violation
 */
export function createTally () {
  /** @type {Record<'operations' | 'faults' | 'exceptions', Record<string, number>>} */
  const counts = { operations: {}, faults: {}, exceptions: {} }
  /** @type {Record<string, { checks: number, violations: number }>} */
  const invariants = {}
  /** @type {Violation[]} */
  const violations = []
  /** @type {Record<string, object[][]>} */
  const examples = {}
  return {
    counts,
    examples,
    invariants,
    violations,
    /** @param {'operations' | 'faults' | 'exceptions'} group @param {string} name */
    count (group, name, by = 1) { counts[group][name] = (counts[group][name] ?? 0) + by },
    /**
     * What breaks a rule for a reason that is known: counted, and the first few are kept.
     * @param {string} reason @param {object[]} lines
     */
    except (reason, lines) {
      counts.exceptions[reason] = (counts.exceptions[reason] ?? 0) + 1
      const told = examples[reason] ??= []
      if (told.length < MAX_EXAMPLES) told.push(lines)
    },
    /**
     * @param {string} invariant a sentence @param {boolean} holds
     * @param {() => { text: string, lines?: object[] }} tell what is known, when it does not hold
     */
    check (invariant, holds, tell) {
      const entry = invariants[invariant] ??= { checks: 0, violations: 0 }
      entry.checks++
      if (holds) return
      entry.violations++
      if (violations.length < MAX_TOLD) violations.push({ invariant, lines: [], ...tell() })
    },
    isClean: () => Object.values(invariants).every(entry => entry.violations === 0)
  }
}
