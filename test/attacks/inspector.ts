import { once } from 'node:events'
import WebSocket from 'ws'
import type { Lifetime, TestGateway } from '../support/gateway.js'
import { until } from '../support/until.js'

/** The setting that lets a test look into a gateway's process. */
export const INSPECTED = { NODE_OPTIONS: '--inspect=127.0.0.1:0' }

export interface Held {
  readonly heapBytes: number
  readonly rssBytes: number
  /** What keeps the event loop alive, by type. */
  readonly resources: Readonly<Record<string, number>>
}

interface Answer { readonly id?: number, readonly result?: { readonly result?: { readonly value?: string } } }

const LOOK = `(() => {
  const { heapUsed: heapBytes, rss: rssBytes } = process.memoryUsage()
  const resources = {}
  for (const type of process.getActiveResourcesInfo()) resources[type] = (resources[type] ?? 0) + 1
  return JSON.stringify({ heapBytes, rssBytes, resources })
})()`

/** Reads what a process holds, after a forced garbage collection: started with `INSPECTED`. */
export async function openInspector (t: Lifetime, gateway: TestGateway): Promise<() => Promise<Held>> {
  const url = /ws:\/\/127\.0\.0\.1:\d+\/[\w-]+/
  await until('the inspector listens', () => url.test(gateway.stderr()))
  const socket = new WebSocket(url.exec(gateway.stderr())?.[0] ?? '')
  t.teardown(() => { socket.terminate() })
  await once(socket, 'open')
  let calls = 0
  async function call (method: string, params: object = {}): Promise<Answer> {
    const id = ++calls
    const answered = new Promise<Answer>((resolve, reject) => {
      const read = (data: WebSocket.RawData): void => {
        const message = JSON.parse(String(data)) as Answer
        if (message.id !== id) return
        socket.off('message', read)
        resolve(message)
      }
      socket.on('message', read)
      socket.once('close', () => { reject(new Error('the inspected process has ended')) })
    })
    socket.send(JSON.stringify({ id, method, params }))
    return await answered
  }
  return async () => {
    for (let round = 0; round < 2; round++) await call('HeapProfiler.collectGarbage')
    const { result } = await call('Runtime.evaluate', { expression: LOOK })
    return JSON.parse(result?.result?.value ?? '{}') as Held
  }
}
