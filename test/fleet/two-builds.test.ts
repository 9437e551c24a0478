import t from 'tap'
import { hasHistory } from './build-before.js'
import { endsBetween } from './ends-between.js'
import { limitsBetween } from './limits-between.js'
import { messagesBetween } from './messages-between.js'
import { orderAfterLoss, ordersBetween } from './orders-between.js'
import { recheckBetween } from './rights-between.js'
import { createWorld, DIRECTIONS, type Behaviour, type Direction, type Topology } from './world.js'

// Most of the time here is spent waiting for processes.
t.jobs = 2

/** The copy of the work tree in the image has no history, a shallow clone too little. */
const skip = hasHistory() ? false : 'the build before is not in the history here, and PORTCULLIS_BUILD_BEFORE is not set'

const titleOf = ({ title }: Pick<Behaviour, 'title'>, { asked, answering }: Direction): string => `the build ${asked} asks, the build ${answering} answers: ${title}`

for (const topology of ['one Redis', 'a Redis Cluster'] satisfies Topology[]) {
  t.test(`the build before and this one, on ${topology}`, { buffered: true, skip }, async (t) => {
    const world = await createWorld(t, topology)
    const gateways = { before: await world.start(t, 'before'), this: await world.start(t, 'this') }
    const behaviours = [...limitsBetween, ...ordersBetween, ...messagesBetween, ...endsBetween]
    for (const behaviour of behaviours) {
      for (const direction of DIRECTIONS) {
        await t.test(titleOf(behaviour, direction), async (t) => {
          await behaviour.hold(t, { world, direction, asked: gateways[direction.asked], answering: gateways[direction.answering] })
        })
      }
    }
  })
}

for (const behaviour of [orderAfterLoss, recheckBetween]) {
  t.test(`the build before and this one: ${behaviour.title}`, { buffered: true, skip }, async (t) => {
    for (const direction of DIRECTIONS) {
      await t.test(titleOf(behaviour, direction), async (t) => {
        await behaviour.hold(t, { world: await createWorld(t, 'one Redis'), direction })
      })
    }
  })
}
