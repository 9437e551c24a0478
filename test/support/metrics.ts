import { until } from './until.js'

/** A build that no machine has. */
export const BUILD = { version: '9.9.9', node: 'v99.0.0', binding: 'a binding 9.9.9' }

/**
 * The metrics as they are now: a page that was rendered after this call. A page is shared for a second, and each new one has
 * another CPU time of the process.
 */
export async function freshMetrics (ask: (path: string) => Promise<Response>): Promise<string> {
  const read = async (): Promise<string> => await (await ask('/metrics')).text()
  const before = await read()
  let now = before
  await until('the metrics are rendered anew', async () => {
    now = await read()
    return now !== before
  })
  return now
}
