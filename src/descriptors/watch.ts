import { closeSync, openSync } from 'node:fs'
import type { DescriptorBudget } from './budget.js'

export interface DescriptorWatchOptions {
  readonly budget: DescriptorBudget
  /** Hardly any is left: called before anything else fails for want of one. Takes what makes more go, such as a listening socket. */
  readonly onFull: () => void
  /** There is room again. False: what was taken away cannot be had back yet, and is asked for again. */
  readonly onFree: () => boolean
  /** Takes the lowest free descriptor, as the system does; throws when there is none. */
  readonly take?: () => number
  readonly give?: (descriptor: number) => void
  /** Monotonic, in ms. */
  readonly now?: () => number
}

/** Keeps some descriptors back, and tells when all others are taken. */
export interface DescriptorWatch {
  start (): void
  /** Looks once; called by a timer from `start` on. */
  look (): void
  /** Gives back what is held. */
  stop (): void
}

/** 20,000 sockets a second could be accepted: 2,000 between two looks. */
const LOOK_MS = 100
/** A door that was shut stays so at least this long: an attacker must not have it move at every look. */
const LEAST_FULL_MS = 1000

/**
 * The system gives out the lowest free descriptor, so the number of the next one says how full the table is, for two system
 * calls and whatever the number of sockets. Sockets are accepted in native code, which spins on a full table and tells nobody.
 */
export function createDescriptorWatch (options: DescriptorWatchOptions): DescriptorWatch {
  const { budget, onFull, onFree, take = () => openSync('/dev/null', 'r'), give = closeSync, now = () => performance.now() } = options
  const { limit, reserve } = budget
  const highest = (limit ?? Infinity) - reserve
  let held: number[] = []
  let fullSinceMs: number | null = null
  let timer: NodeJS.Timeout | undefined

  function giveAll (descriptors: readonly number[]): void {
    for (const descriptor of descriptors) give(descriptor)
  }
  /** Takes `count`, or none: null when that would leave too little. */
  function takeMany (count: number): number[] | null {
    const taken: number[] = []
    try {
      while (taken.length < count) taken.push(take())
    } catch {
      giveAll(taken)
      return null
    }
    if (Math.max(...taken) < highest) return taken
    giveAll(taken)
    return null
  }
  function isFull (): boolean {
    const next = takeMany(1)
    if (next !== null) giveAll(next)
    return next === null
  }
  function look (): void {
    if (fullSinceMs === null) {
      if (!isFull()) return
      fullSinceMs = now()
      onFull()
      giveAll(held)
      held = []
      return
    }
    const fullMs = now() - fullSinceMs
    // As much again as is held back, or the next few sockets would fill it at once.
    const taken = fullMs < LEAST_FULL_MS ? null : takeMany(2 * reserve)
    if (taken === null) return
    held = taken.slice(0, reserve)
    giveAll(taken.slice(reserve))
    if (onFree()) {
      fullSinceMs = null
      return
    }
    giveAll(held)
    held = []
  }
  return {
    start () {
      if (limit === null) return
      held = takeMany(reserve) ?? []
      timer = setInterval(look, LOOK_MS).unref()
    },
    look,
    stop () {
      clearInterval(timer)
      giveAll(held)
      held = []
    }
  }
}
