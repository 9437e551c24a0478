const SAFE = /^[A-Za-z0-9._-]*$/
const UNSAFE = /[^A-Za-z0-9._-]/gu

/**
 * Percent-encodes (UTF-8 bytes, upper-case hex) whatever is outside `A-Za-z0-9._-`. Two ids never share an encoding: a
 * lone surrogate, which UTF-8 cannot hold, is written as the three bytes of its code point.
 */
export function encodeId (id: string): string {
  return SAFE.test(id) ? id : id.replace(UNSAFE, encodeCharacter)
}

function encodeCharacter (character: string): string {
  const code = character.codePointAt(0) ?? 0
  const isLoneSurrogate = code >= 0xd800 && code <= 0xdfff
  const bytes = isLoneSurrogate
    ? [0xed, 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)]
    : Buffer.from(character, 'utf8')
  let text = ''
  for (const byte of bytes) text += '%' + byte.toString(16).toUpperCase().padStart(2, '0')
  return text
}
