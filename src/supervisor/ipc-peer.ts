import { describeOperationFault, OperationFault, outcomeOfOperation } from '../operation-fault.js'
import type { CallOutcome } from '../redis/call-outcome.js'

/**
 * Calls between the supervisor and a worker, over the channel that the operating system gives a forked process.
 * Both ends are our own code, so messages are trusted; answers are matched by number and bounded in time.
 * Of a failure its cause travels, in words for operators, and what it has done all the same.
 */

interface Call { readonly call: number, readonly method: string, readonly args: readonly unknown[] }
interface Answer { readonly answer: number, readonly value?: unknown, readonly failed?: string, readonly outcome?: CallOutcome }
type Message = Call | Answer

/** The sending half of a channel, and how to hear the other end. */
export interface Channel {
  send (message: unknown): void
  onMessage (listener: (message: unknown) => void): void
}

/** Methods that one end offers to the other. */
export type Methods = Readonly<Record<string, (...args: never[]) => unknown>>

export interface IpcPeer {
  /** Calls a method of the other end. Rejects when it failed there, when the other end is gone, or after `timeoutMs` (3000). */
  call (method: string, args?: readonly unknown[], timeoutMs?: number): Promise<unknown>
  /** The other end is gone: what waits for it is rejected. */
  lost (): void
}

const CALL_TIMEOUT_MS = 3000

/** Opens one end of a link. */
export function openIpcPeer (channel: Channel, methods: Methods): IpcPeer {
  const waiting = new Map<number, { resolve: (value: unknown) => void, reject: (error: Error) => void, timer: NodeJS.Timeout }>()
  let calls = 0

  async function perform ({ call, method, args }: Call): Promise<Answer> {
    const run = methods[method] as ((...args: readonly unknown[]) => unknown) | undefined
    if (run === undefined) return { answer: call, failed: 'no such call', outcome: 'undone' }
    try {
      return { answer: call, value: await run(...args) }
    } catch (error) {
      return { answer: call, failed: describeOperationFault(error), outcome: outcomeOfOperation(error) }
    }
  }
  function settle ({ answer, value, failed, outcome }: Answer): void {
    const entry = waiting.get(answer)
    if (entry === undefined) return
    waiting.delete(answer)
    clearTimeout(entry.timer)
    if (failed !== undefined) entry.reject(new OperationFault(failed, outcome))
    else entry.resolve(value)
  }
  channel.onMessage((raw) => {
    const message = raw as Message
    if ('call' in message) void perform(message).then(channel.send)
    else if ('answer' in message) settle(message)
  })

  return {
    call: async (method, args = [], timeoutMs = CALL_TIMEOUT_MS) => await new Promise((resolve, reject) => {
      const call = ++calls
      const timer = setTimeout(() => {
        waiting.delete(call)
        reject(new OperationFault('a worker did not answer in time'))
      }, timeoutMs)
      timer.unref()
      waiting.set(call, { resolve, reject, timer })
      channel.send({ call, method, args } satisfies Call)
    }),
    lost () {
      for (const { reject, timer } of waiting.values()) {
        clearTimeout(timer)
        reject(new OperationFault('a worker ended meanwhile'))
      }
      waiting.clear()
    }
  }
}
