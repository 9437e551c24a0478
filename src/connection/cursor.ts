import type { Position } from '../history/position.js'

/** How far one connection is in a topic whose live events it does not get yet. */
export class Cursor {
  /** What it has been given, or told that it has; null: nothing is known. */
  position: Position | null = null
  /** Up to this offset events are what came before, and are marked so. */
  replayedTo = 0
  /** The client knows that it listens: what comes after `position` is owed to it. */
  isRunning = false
  /** Older events are being read for it. */
  isLoading = false

  /** All after `from` is owed from now on; up to `replayedTo` it is marked as replayed. */
  begin (from: Position | null, replayedTo: number): void {
    this.position = from
    this.replayedTo = replayedTo
    this.isRunning = true
  }
}
