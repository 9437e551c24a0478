import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { createPassIssuer } from './pass-issuer.js'
import { openStandIn } from './stand-in.js'
import { visit } from './visit.js'
import { isErrand, type Errand, type FromThread, type ToThread } from './thread-messages.js'

/** Visitors at the same time: as many as keep one process busy. */
const AT_ONCE = 48
/** One new token, then the same again: as a user who comes back, and asks for what was missed. */
const VISITS_PER_TOKEN = 2
/** The user of one in this number of tokens asks. */
const TOKENS_PER_WISH = 2

/**
 * The other end of what `visitors.ts` opens: the stand-in of Redis and the visitors, in a thread of their own, so that the thread which
 * will serve runs what it will serve with, and nothing else.
 */
async function run (parent: MessagePort, { issuer, visits }: Errand): Promise<void> {
  const say = (message: FromThread): void => { parent.postMessage(message) }
  const passes = createPassIssuer(issuer)
  parent.once('message', (place: ToThread) => {
    let [left, issued] = [visits, 0]
    const goOn = async (): Promise<void> => {
      while (left > 0) {
        const token = passes.issue()
        const wishes = issued++ % TOKENS_PER_WISH === 0
        for (let times = 0; times < VISITS_PER_TOKEN && left > 0; times++) {
          left--
          await visit(place, token, wishes && times > 0)
        }
      }
    }
    void Promise.all(Array.from({ length: AT_ONCE }, goOn)).then(() => { say({ kind: 'done' }) })
  })
  say({ kind: 'open', redisPort: await openStandIn(), jwk: passes.jwk })
}

// Imported elsewhere this does nothing.
if (parentPort !== null && isErrand(workerData)) void run(parentPort, workerData)
