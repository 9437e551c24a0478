const MAX_LENGTH = 2048

/**
 * Whether two addresses of http or https name the same target: compared after normalization by syntax and by scheme, without query
 * and fragment (RFC 9449 section 4.3, point 9; RFC 3986 sections 6.2.2 and 6.2.3). What is no address is the same as nothing.
 */
export function isSameTarget (one: string, other: string): boolean {
  const [left, right] = [normalize(one), normalize(other)]
  return left !== null && left === right
}

/** The URL standard lowers scheme and host, drops the scheme's own port, and resolves dots; percent-encoding it leaves as it is. */
function normalize (text: string): string | null {
  if (text.length > MAX_LENGTH || !/^https?:\/\//i.test(text) || !URL.canParse(text)) return null
  const { origin, pathname, username, password } = new URL(text)
  if (username !== '' || password !== '') return null
  return origin + pathname.replace(/%[0-9a-f]{2}/gi, normalizeEscape)
}

/** An escape of what needs none is that character; any other is written in capitals. */
function normalizeEscape (escape: string): string {
  const character = String.fromCharCode(parseInt(escape.slice(1), 16))
  return /[A-Za-z0-9._~-]/.test(character) ? character : escape.toUpperCase()
}
