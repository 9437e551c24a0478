const SEQUENCE = 0x30
const INTEGER = 0x02
/** A length of this many bytes and more takes two bytes; ours are below 256. */
const LONG_LENGTH = 0x80
const LONG_LENGTH_OF_ONE_BYTE = 0x81

/**
 * Writes an ECDSA signature as OpenSSL reads it, in DER (RFC 3279 section 2.2.3). `signature`: r and s as they stand in a
 * token (RFC 7518 section 3.4), of 66 bytes each at most.
 */
export function ecdsaToDer (signature: Buffer): Buffer {
  const half = signature.length / 2
  const [r, s] = [toInteger(signature.subarray(0, half)), toInteger(signature.subarray(half))]
  const length = r.length + s.length
  const head = length < LONG_LENGTH ? [SEQUENCE, length] : [SEQUENCE, LONG_LENGTH_OF_ONE_BYTE, length]
  return Buffer.concat([Buffer.from(head), r, s])
}

/** The shortest form of a number that is not negative: no zero in front, but one where the first bit would be a sign. */
function toInteger (bytes: Buffer): Buffer {
  let first = 0
  while (first < bytes.length - 1 && bytes[first] === 0) first++
  const digits = bytes.subarray(first)
  const isSigned = (digits[0] ?? 0) >= LONG_LENGTH
  return Buffer.concat([Buffer.from(isSigned ? [INTEGER, digits.length + 1, 0] : [INTEGER, digits.length]), digits])
}
