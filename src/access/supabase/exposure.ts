import { UnsafeDatabaseError } from '../access-error.js'

/** What the anon key sees of the tables, as long as the gateway runs. */
export interface Exposure {
  /** Looks at every table. What is seen now is accepted from now on: resolves with its sentences. Rejects with `AccessError`. */
  start (): Promise<readonly string[]>
  /**
   * Looks at one table, each in its turn. Rejects with `UnsafeDatabaseError` where rows are seen that were not seen before, and
   * with `AccessError` when there is no answer.
   */
  lookAtNext (): Promise<void>
  /** Looks again at what was found. Rejects like `lookAtNext`, as long as any of it is seen. */
  lookAgain (): Promise<void>
}

/**
 * Makes the memory of it. `describe` asks about one table: a sentence when rows are seen, null when none are or the key may not
 * ask; it rejects with `AccessError` when there is no answer.
 */
export function createExposure<Table> (tables: readonly Table[], describe: (table: Table) => Promise<string | null>): Exposure {
  const accepted = new Set<Table>()
  const found = new Map<Table, string>()
  let turn = 0

  async function look (table: Table): Promise<void> {
    const sentence = await describe(table)
    if (sentence === null) {
      // Rows that are seen again later are a change: an operator may have heeded the warning meanwhile.
      accepted.delete(table)
      found.delete(table)
    } else if (!accepted.has(table)) {
      found.set(table, `${sentence}; that was not so before: if it is meant, name the table in SUPABASE_PUBLIC_TABLES`)
    }
  }

  function rejectIfFound (): void {
    if (found.size > 0) throw new UnsafeDatabaseError([...found.values()])
  }

  return {
    async start () {
      const sentences = await Promise.all(tables.map(async (table) => [table, await describe(table)] as const))
      const seen = sentences.filter((entry): entry is readonly [Table, string] => entry[1] !== null)
      for (const [table] of seen) accepted.add(table)
      return seen.map(([, sentence]) => sentence)
    },
    async lookAtNext () {
      const table = tables[turn++ % tables.length]
      if (table !== undefined) await look(table)
      rejectIfFound()
    },
    async lookAgain () {
      for (const table of [...found.keys()]) await look(table)
      rejectIfFound()
    }
  }
}
