/** Where an event stands in its topic. Offsets of one epoch go up by one, from 1; 0 is before the first event. */
export interface Position {
  /** One unbroken numbering of the topic. */
  readonly epoch: string
  readonly offset: number
}

const POSITION = /^([A-Za-z0-9_-]{1,47}):(0|[1-9][0-9]{0,14})$/

/** Writes a position as clients and back ends know it: `<epoch>:<offset>`, at most 63 characters. */
export function formatPosition ({ epoch, offset }: Position): string {
  return `${epoch}:${offset}`
}

/** Reads a position; null when the text is none. */
export function parsePosition (text: string): Position | null {
  const [, epoch, offset] = POSITION.exec(text) ?? []
  return epoch === undefined || offset === undefined ? null : { epoch, offset: Number(offset) }
}
