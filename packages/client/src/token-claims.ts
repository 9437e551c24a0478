/** Claims of a token, which are no secret of the gateway's: read and not verified. None for what cannot be read. */
export function readClaims (token: string): Readonly<Record<string, unknown>> {
  try {
    const base64 = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')
    return (JSON.parse(atob(base64)) as Record<string, unknown> | null) ?? {}
  } catch {
    return {}
  }
}

/** Whom a token is about, by its issuer and subject; null when it does not say. */
export function readSubject (token: string): string | null {
  const { iss, sub } = readClaims(token)
  return typeof sub === 'string' ? JSON.stringify([iss ?? null, sub]) : null
}
