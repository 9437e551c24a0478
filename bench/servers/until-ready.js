const READY_TIMEOUT_MS = 20_000
const LOOK_EVERY_MS = 5

/** Resolves once a gateway says that it is ready, warmed where it warms up. @param {number} adminPort */
export async function untilReady (adminPort) {
  const endAt = performance.now() + READY_TIMEOUT_MS
  while (performance.now() < endAt) {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`, { headers: { Connection: 'close' } }).catch(() => null)
    await answer?.arrayBuffer()
    if (answer?.status === 200) return
    await new Promise((resolve) => { setTimeout(resolve, LOOK_EVERY_MS) })
  }
  throw new Error(`the gateway was not ready in ${READY_TIMEOUT_MS} ms`)
}
