/**
 * Does a piece of work once for all who ask within `freshMs` of its beginning, and for all who ask while it goes on. What
 * fails is told to those who waited for it, and the next one to ask begins anew. `now`: monotonic, in ms.
 */
export function shareWork<T> (freshMs: number, work: () => Promise<T>, now: () => number = () => performance.now()): () => Promise<T> {
  let shared: Promise<T> | null = null
  let underWay = false
  let beganAtMs = -Infinity

  function begin (): Promise<T> {
    const began = work()
    shared = began
    underWay = true
    beganAtMs = now()
    began.then(() => { underWay = false }, () => {
      underWay = false
      shared = null
    })
    return began
  }

  return () => shared !== null && (underWay || now() - beganAtMs < freshMs) ? shared : begin()
}
