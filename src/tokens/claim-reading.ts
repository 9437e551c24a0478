/** In which claims an issuer's tokens say what. Vendors differ; the defaults are those of the standards and of Supabase. */
export interface ClaimReading {
  /** The first that is there holds the scopes, as text with spaces (RFC 8693 section 4.2) or as an array. Never empty. */
  readonly scope: readonly string[]
  /** Holds the audience, or what stands for it, as `client_id` does for Cognito. */
  readonly audience: string
  /** Names the user. */
  readonly user: string
  /** The first that is there names the session. Never empty. */
  readonly session: readonly string[]
  /** `at+jwt`: only access tokens of RFC 9068, by their header and their claims. */
  readonly type: 'any' | 'at+jwt'
}

export const DEFAULT_READING: ClaimReading = {
  scope: ['scope', 'scp'], audience: 'aud', user: 'sub', session: ['sid', 'session_id'], type: 'any'
}
