import type { Application } from '../application.js'
import type { Network } from '../network.js'
import type { World } from '../world.js'

interface Watched {
  readonly world: World
  readonly network: Network
  readonly applications: readonly Application[]
}

/** After everything has been well for long enough: all are there, and nobody lacks anything without knowing. */
export function checkCalm ({ world, network, applications }: Watched, untilMs: number): void {
  for (const application of applications) {
    if (!application.isOpen) return world.fail('live', `${application.name} is ${application.page?.client.state.status ?? 'left'} though all is well`)
    for (const [ledger, name] of [[application.wireLedger, 'wire'], [application.ledger, 'application']] as const) {
      for (const topic of application.topics) {
        if (!network.book.maySee(application.wish.userId, topic)) {
          return world.fail('rights', `${application.name} still has ${topic}, and the right to it ended long ago`)
        }
        const follower = ledger?.followers.get(topic)
        const owed = follower?.findOwed(untilMs) ?? follower?.doubt
        if (owed === undefined) continue
        if (network.doubts.isDoubtful(topic, owed.epoch) && !network.doubts.isWitnessed(topic)) {
          world.count('losses that nobody could see')
          continue
        }
        return world.fail('late', `${application.name} (${name}) lacks ${owed.epoch}:${owed.offset} (${owed.key ?? ''}) of ${topic}, and was not told`)
      }
    }
  }
}

/** After all have left: nothing is kept for nobody. */
export function checkLeaks ({ world, processes, redis }: Network): void {
  for (const { name, registry, logs, wires } of processes) {
    const held = logs as unknown as { readonly logs: ReadonlyMap<string, unknown>, readonly held: { readonly bytes: number } }
    if (registry.size > 0 || wires.size > 0) return world.fail('leak', `${name} keeps ${registry.size} connections, ${wires.size} sockets`)
    if (held.logs.size > 0 || held.held.bytes > 0) return world.fail('leak', `${name} keeps ${held.logs.size} logs, ${held.held.bytes} bytes`)
  }
  // A process keeps its own for the next of its users.
  const channels = redis.channels.filter(channel => !processes.some(({ ownChannel }) => ownChannel === channel))
  if (channels.length > 0) world.fail('leak', `${channels.join(', ')} is still subscribed`)
}
