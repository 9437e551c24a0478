import { parsePosition, type Position } from './position.js'
import type { Positions } from './positions.js'

/** Where positions outlive a page: `sessionStorage` is one. One that throws, or holds something else, is taken for empty. */
export interface PositionStorage {
  getItem (key: string): string | null
  setItem (key: string, value: string): void
  removeItem (key: string): void
}

/** Whose positions they are. */
export interface Owner {
  /** As the gateway calls the user. */
  readonly userId: string
  /** Whom the user's token is about; null when it does not say. */
  readonly subject: string | null
}

/** The positions that one client keeps. */
export interface PositionKeeper {
  /** Null: there are none. */
  load (): Owner & { readonly positions: ReadonlyArray<readonly [string, Position]> } | null
  save (kept: Owner & { readonly positions: Pick<Positions, 'topics' | 'since'> }): void
}

/** Most topics that are kept: twice what a connection can have. Those that moved last stay. */
const MAX_TOPICS = 2000

function read (text: string | null): ReturnType<PositionKeeper['load']> {
  const { user_id: userId, subject, positions } = JSON.parse(text ?? '{}') as Record<string, unknown>
  if (typeof userId !== 'string' || typeof positions !== 'object' || positions === null) return null
  const known = Object.entries(positions).flatMap(([topic, pos]) => {
    const position = parsePosition(pos)
    return position === null ? [] : [[topic, position] as const]
  })
  return { userId, subject: typeof subject === 'string' ? subject : null, positions: known }
}

/** Keeps positions under one key for each gateway. */
export function createPositionKeeper (storage: PositionStorage, { host, pathname }: URL): PositionKeeper {
  const key = `portcullis ${host}${pathname}`
  return {
    load () {
      try {
        return read(storage.getItem(key))
      } catch {
        return null
      }
    },
    save ({ userId, subject, positions }) {
      const kept = positions.topics().flatMap((topic) => {
        const since = positions.since(topic)
        return since === null ? [] : [[topic, since]]
      })
      try {
        storage.setItem(key, JSON.stringify({ user_id: userId, subject, positions: Object.fromEntries(kept.slice(-MAX_TOPICS)) }))
      } catch {
        // It is full or forbidden. With what stood there the next page would hear events again.
        try { storage.removeItem(key) } catch {}
      }
    }
  }
}
