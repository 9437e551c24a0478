import Type, { type Static } from '#typebox'
import type { PageRequest } from '../../control/control.js'

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1000
const MAX_AFTER_LENGTH = 128

/** What a request for a list may say in its query. */
export const PAGE_PARAMETERS = {
  limit: Type.Optional(Type.String({
    pattern: '^([1-9][0-9]{0,2}|1000)$', description: `entries at most, 1 to ${MAX_LIMIT}; default ${DEFAULT_LIMIT}`, examples: ['100']
  })),
  after: Type.Optional(Type.String({
    minLength: 1, maxLength: MAX_AFTER_LENGTH, description: '`next` of the page before: the list goes on there', examples: ['0-0']
  }))
} as const

/** In words, for a query that is none. */
export const WANTED_PAGE = `limit: wanted a whole number from 1 to ${MAX_LIMIT}; after: what the page before named as next`

export const PageQuerySchema = Type.Object(PAGE_PARAMETERS)

/** Reads a query that fits its parameters. */
export function readPage ({ limit, after }: Static<typeof PageQuerySchema>): PageRequest {
  return { limit: limit === undefined ? DEFAULT_LIMIT : Number(limit), after: after ?? null }
}

/** `next`, where there is one. */
export const nextOf = (next: string | null): { readonly next?: string } => next === null ? {} : { next }
