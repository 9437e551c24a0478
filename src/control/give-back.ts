import Type from '#typebox'
import { Compile } from '#typebox/compile'
import { split } from '../collections/split.js'

/** Addresses in one message, so that it stays below the longest that is read. */
const MAX_ADDRESSES = 200

const giveBack = Compile(Type.Object({
  type: Type.Literal('give_back'),
  addresses: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: MAX_ADDRESSES })
}))

/** Which addresses a message asks to give back; null: it is another. Never throws. */
export function readGiveBack (message: unknown): readonly string[] | null {
  return giveBack.Check(message) ? message.addresses : null
}

/**
 * Makes what asks all processes to give back what was lent ahead of an address's message window: the addresses of one tick go
 * together. A build that does not know the message passes over it.
 */
export function createAskBack (publish: (text: string) => Promise<unknown>): (address: string) => void {
  let wanted = new Set<string>()
  const send = (): void => {
    const addresses = [...wanted]
    wanted = new Set()
    for (const part of split(addresses, MAX_ADDRESSES)) {
      publish(JSON.stringify({ type: 'give_back', addresses: part })).catch(() => { /* who waits asks again, and is refused in the end */ })
    }
  }
  return (address) => {
    if (wanted.size === 0) setImmediate(send)
    wanted.add(address)
  }
}
