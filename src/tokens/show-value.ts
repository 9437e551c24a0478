const MAX_CHARACTERS = 64
const MAX_ENTRIES = 3
/** `{"` in base64: how every JWT begins. */
const TOKEN_START = 'eyJ'

/** A value of a claim or a setting as an operator's log may hold it: escaped, bounded, and never a token or a part of one. */
export function showValue (value: unknown): string {
  if (!Array.isArray(value)) return showOne(value)
  const entries: readonly unknown[] = value
  const shown = entries.slice(0, MAX_ENTRIES).map(showOne)
  return `[${[...shown, ...(entries.length > MAX_ENTRIES ? ['…'] : [])].join(', ')}]`
}

function showOne (value: unknown): string {
  if (value === undefined) return 'absent'
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  if (typeof value !== 'string') return String(value)
  if (value.includes(TOKEN_START)) return '…'
  return JSON.stringify(value.length > MAX_CHARACTERS ? `${value.slice(0, MAX_CHARACTERS)}…` : value)
}
