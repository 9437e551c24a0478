import type { FieldName } from './fields.js'

export type Level = 'info' | 'warn' | 'error'

/** What the catalogue says of one event. */
export interface EventTerms {
  /** What a client did wrongly is a warning, what failed on our side an error. */
  readonly level: Level
  /** For operators: when the line is written. */
  readonly when: string
  /** Fields of each such line, besides those of every line. */
  readonly fields: readonly FieldName[]
  /** Fields that stand where there is something to say. */
  readonly optional: readonly FieldName[]
}
