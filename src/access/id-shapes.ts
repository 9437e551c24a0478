/** The kinds of id column that can be asked by index, without one id of another shape failing the whole query. */
export type IdShape = 'text' | 'uuid' | 'bigint' | 'integer' | 'smallint'

/** Of an id that a client could ask for: the same in the regular expressions of JavaScript and of Postgres. */
export const ID_PATTERN = '^[A-Za-z0-9._:-]{1,128}$'
const ID = new RegExp(ID_PATTERN)
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const WHOLE = /^(?:0|-?[1-9][0-9]{0,18})$/
const LIMITS = { bigint: 2n ** 63n, integer: 2n ** 31n, smallint: 2n ** 15n } as const

/** True when a client could ask for this id, and a topic could carry it. */
export function isId (text: string): boolean {
  return ID.test(text)
}

/**
 * True when a column of this shape could hold the id, written exactly as the database writes it: an id that is written
 * otherwise (capital letters, leading zeros) would be another topic for the same row.
 */
export function fitsShape (shape: IdShape, id: string): boolean {
  if (shape === 'text') return true
  if (shape === 'uuid') return UUID.test(id)
  if (!WHOLE.test(id)) return false
  const value = BigInt(id)
  return value < LIMITS[shape] && value >= -LIMITS[shape]
}
