// Load in a process of its own: clients that come one after the other, each sending its messages at its pace, and how long
// each waited to be connected and to be answered.
import { addressOf } from './addresses.js'
import { encodeFrame, openClient } from './raw-client.js'

/** @param {number} ms */
const pause = ms => new Promise((resolve) => { setTimeout(resolve, ms) })

async function runClient ({ port, text, messages, everyMs }, target, localAddress, waits) {
  let answered = () => {}
  let fail = () => {}
  const nextFrame = () => new Promise((resolve, reject) => {
    answered = resolve
    fail = reject
  })
  const openedAt = performance.now()
  const welcomed = nextFrame()
  const client = openClient({ port, target, localAddress }, {
    onText: (payload) => { answered(payload.toString()) },
    onError: (error) => { fail(error) }
  })
  await welcomed
  waits.connectMs.push(performance.now() - openedAt)
  const frame = encodeFrame(text)
  for (let sent = 0; sent < messages; sent++) {
    await pause(everyMs * (0.5 + Math.random()))
    const sentAt = performance.now()
    const answer = nextFrame()
    client.send(frame)
    const got = await answer
    if (!got.startsWith('{"type":"pong"')) throw new Error(`not answered: ${got.slice(0, 200)}`)
    waits.answerMs.push(performance.now() - sentAt)
  }
  client.reset()
}

/**
 * @param {{ port: number, targets: string[], firstAddress: number, overMs: number, text: string, messages: number,
 *   everyMs: number }} ramp
 */
async function runRamp (ramp) {
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  const waits = { connectMs: [], answerMs: [] }
  await Promise.all(ramp.targets.map(async (target, n) => {
    await pause(n * ramp.overMs / ramp.targets.length)
    await runClient(ramp, target, addressOf(ramp.firstAddress + n), waits)
  }))
  const { user, system } = process.cpuUsage(cpu)
  return { ...waits, cpuUs: user + system, wallMs: performance.now() - startedAt }
}

process.on('message', (ramp) => {
  runRamp(ramp).then(answer => { process.send(answer) }, error => { process.send({ failed: error.message }) })
})
process.send({ ready: true })
