/** A token as any issuer makes it; nobody verifies it here. */
export function tokenOf (user: string | null): string {
  const claims = { iss: 'https://issuer.example', ...(user === null ? {} : { sub: user }) }
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`
}
