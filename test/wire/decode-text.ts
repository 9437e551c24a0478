import { decodeFrame } from '../../src/wire/codec.js'
import type { ClientFrame } from '../../src/wire/frames.js'

type Parsed<F> = F extends { readonly data: unknown } ? Omit<F, 'data'> & { readonly data: unknown } : F

/** Decodes a frame that is given as text, and parses its data; null when it is malformed. */
export function decodeText (text: string): Parsed<ClientFrame> | null {
  const frame = decodeFrame(Buffer.from(text))
  if (frame.type === 'malformed') return null
  return frame.type === 'send' ? { ...frame, data: JSON.parse(frame.data.toString()) as unknown } : frame
}
