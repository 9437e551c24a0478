/** Where an event stands in its topic. Offsets of one epoch go up by one, from 1; 0 is before the first event. */
export interface Position {
  /** One unbroken numbering of the topic. */
  readonly epoch: string
  readonly offset: number
}

const POSITION = /^([!-~]{1,62}):(0|[1-9][0-9]{0,14})$/

/** Reads `<epoch>:<offset>`; null when it is none. */
export function parsePosition (text: unknown): Position | null {
  const [, epoch, offset] = (typeof text === 'string' ? POSITION.exec(text) : null) ?? []
  return epoch === undefined || offset === undefined ? null : { epoch, offset: Number(offset) }
}

export const formatPosition = ({ epoch, offset }: Position): string => `${epoch}:${offset}`
