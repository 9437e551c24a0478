/** What bounds a value that is shown. */
interface Room {
  readonly characters: number
  readonly entries: number
}

const ROOM_IN_A_LINE: Room = { characters: 64, entries: 3 }
/** Where two values are compared by eye: addresses often differ in their last characters. */
const ROOM_TO_COMPARE: Room = { characters: 512, entries: 20 }
/** `{"` in base64: how every JWT begins. */
const TOKEN_START = 'eyJ'

/** A value of a claim or a setting as an operator's log may hold it: escaped, bounded, and never a token or a part of one. */
export const showValue = (value: unknown): string => showWithin(ROOM_IN_A_LINE, value)

/** The same with more room, for an operator who asked about this very token. */
export const showWhole = (value: unknown): string => showWithin(ROOM_TO_COMPARE, value)

function showWithin (room: Room, value: unknown): string {
  if (!Array.isArray(value)) return showOne(value, room)
  const entries: readonly unknown[] = value
  const shown = entries.slice(0, room.entries).map(each => showOne(each, room))
  return `[${[...shown, ...(entries.length > room.entries ? ['…'] : [])].join(', ')}]`
}

function showOne (value: unknown, { characters }: Room): string {
  if (value === undefined) return 'absent'
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  if (typeof value !== 'string') return String(value)
  if (value.includes(TOKEN_START)) return '…'
  return JSON.stringify(value.length > characters ? `${value.slice(0, characters)}…` : value)
}
