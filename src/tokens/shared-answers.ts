/** What is known elsewhere about a token. `claimed`: another process asks the issuer now. `ours`: this process is to ask. */
export type SharedAnswer =
  { readonly kind: 'active' | 'inactive', readonly ageMs: number } |
  { readonly kind: 'claimed', readonly forMs: number } |
  { readonly kind: 'ours' }

/** Answers of issuers that processes share. Each call may reject: then every process asks for itself. */
export interface SharedAnswers {
  /** The answer to a question that was asked at most `maxAgeMs` ago; where there is none, and nobody asks, this process is to ask. */
  take (token: string, maxAgeMs: number): Promise<SharedAnswer>
  /** Tells the answer; null: none came, and another may ask. `ageMs`: since the question was asked. */
  keep (token: string, answer: 'active' | 'inactive' | null, ageMs: number): Promise<void>
}
