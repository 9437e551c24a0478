import type { QualifiedName } from '../qualified-name.js'

const nameOf = ({ schema, name }: QualifiedName): string => `${schema}.${name}`
const isSeen = (table: QualifiedName): string =>
  `the anon key alone sees rows of ${nameOf(table)}: row level security is off there, or a policy shows them to everybody`

/** Rows that the key sees, and that are not given. */
export const describeShown = (table: QualifiedName): string =>
  `${isSeen(table)}; they are given to nobody, unless SUPABASE_PUBLIC_TABLES says that they are public on purpose`

/** The same where they are given. */
export const describeGiven = (table: QualifiedName): string =>
  `${isSeen(table)}; they are given all the same, as it was so at the first look: name the tables that are public on purpose in ` +
  'SUPABASE_PUBLIC_TABLES (`none`: none is), and all others are private'

/** A table that the key may not ask. `said`: what PostgREST answered. */
export function describeUnseen (table: QualifiedName, isDenied: boolean, said: string): string {
  return `the anon key may not read ${nameOf(table)}: row level security that is switched off there stays unseen (PostgREST answered ${said}); ` +
    (isDenied ? `grant select (id) on ${nameOf(table)} to anon, with no policy for it` : 'give SUPABASE_ANON_KEY a key that the project takes') +
    ', or take WS_AUTHORIZER=postgres'
}

/** A look without a clear answer. `isGiven`: rows are given all the same, as there never was a clear answer. */
export function describeUnclear (table: QualifiedName, isGiven: boolean, said: string): string {
  return `${said} to the anon key about ${nameOf(table)}, and that says not whether everybody sees its rows: ` + (isGiven
    ? 'row level security that is switched off there stays unseen; rows are given all the same until there is a clear answer'
    : 'they are given to nobody until there is a clear answer')
}
