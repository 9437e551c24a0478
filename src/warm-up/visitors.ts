import { Worker } from 'node:worker_threads'
import type { Errand, FromThread, ToThread } from './thread-messages.js'
import type { Place } from './visit.js'

type Opened = Extract<FromThread, { kind: 'open' }>

/** The thread of visitors, as the thread that is visited knows it. */
export interface Visitors {
  /** Resolves when the stand-in of Redis listens. Rejects when the thread is gone. */
  readonly opened: Promise<Opened>
  /** Sends them there; resolves when all have been. Rejects when the thread is gone, whether it went before or goes meanwhile. */
  visit (place: Place): Promise<void>
  /** Ends the thread, wherever it is; resolves when it is gone. Never rejects. */
  end (): Promise<void>
}

/** Opens them. They get no setting and no secret of this process. */
export function openVisitors (errand: Errand): Visitors {
  const thread = new Worker(new URL('./thread.js', import.meta.url), { workerData: errand, env: {}, argv: [], execArgv: [] })
  thread.unref()
  const waiting = new Map<FromThread['kind'], (message: FromThread) => void>()
  // Who asks a thread that has ended gets no answer and no error from it: this promise is what rejects.
  const gone = new Promise<never>((_resolve, reject) => {
    thread.once('error', reject)
    thread.once('exit', () => { reject(new Error('the visitors are gone')) })
  })
  gone.catch(() => {})
  thread.on('message', (message: FromThread) => { waiting.get(message.kind)?.(message) })
  const hear = async (kind: FromThread['kind']): Promise<FromThread> =>
    await Promise.race([gone, new Promise<FromThread>((resolve) => { waiting.set(kind, resolve) })])
  const opened = hear('open').then((message) => message as Opened)
  opened.catch(() => {})
  return {
    opened,
    async visit (place) {
      const done = hear('done')
      thread.postMessage(place satisfies ToThread)
      await done
    },
    async end () { await thread.terminate().catch(() => {}) }
  }
}
