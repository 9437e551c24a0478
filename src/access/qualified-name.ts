/** A table or view as the settings name it. */
export interface QualifiedName {
  readonly schema: string
  readonly name: string
  /** Quoted for SQL. */
  readonly sql: string
}

const QUALIFIED = /^([A-Za-z_][A-Za-z0-9_$]{0,62})\.([A-Za-z_][A-Za-z0-9_$]{0,62})$/

/** Reads `schema.table`, both taken literally (capital letters count). Throws when it is anything else. */
export function parseQualifiedName (text: string): QualifiedName {
  const [, schema, name] = QUALIFIED.exec(text) ?? []
  if (schema === undefined || name === undefined) throw new Error(`not of the form schema.table: ${JSON.stringify(text)}`)
  return { schema, name, sql: `"${schema}"."${name}"` }
}
