import hashSlot from 'cluster-key-slot'
import { split } from '../collections/split.js'
import type { SubscribeVerb } from './channels.js'

/** Channels of one command at most: a longer one would hold up Redis and this process. */
const CHANNELS_PER_COMMAND = 500

/** Splits channels into commands. One SSUBSCRIBE takes only channels of one slot. */
export function splitIntoCommands (channels: readonly string[], verbs: readonly SubscribeVerb[]): ReadonlyArray<readonly string[]> {
  const groups = verbs.includes('ssubscribe') ? groupBySlot(channels) : [channels]
  return groups.flatMap((group) => split(group, CHANNELS_PER_COMMAND))
}

function groupBySlot (channels: readonly string[]): string[][] {
  const groups = new Map<number, string[]>()
  for (const channel of channels) {
    const slot = hashSlot(channel)
    const group = groups.get(slot)
    if (group === undefined) groups.set(slot, [channel])
    else group.push(channel)
  }
  return [...groups.values()]
}
