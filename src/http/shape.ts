import Type, { type Static, type TSchema } from '#typebox'
import { Compile } from '#typebox/compile'

/** What one part of a request must look like: the schema that the document shows is the one that is checked. */
export interface Shape<T> {
  readonly schema: TSchema
  /** Told in the 400 when a value does not fit: what was wanted. */
  readonly wanted: string
  /** Changes nothing, and takes no value of a near type for the right one. */
  fits (value: unknown): value is T
}

/** Compiles a schema. `wanted` names the fields and their bounds in one line; it must hold nothing of a value. */
export function createShape<S extends TSchema> (schema: S, wanted: string): Shape<Static<S>> {
  const validator = Compile(schema)
  return { schema, wanted, fits: (value): value is Static<S> => validator.Check(value) }
}

/** For a part of a request that its route does not look at. */
export const ANYTHING = createShape(Type.Unknown(), 'anything')
