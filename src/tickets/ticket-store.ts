/** The port of what tickets are kept in: shared by all processes, or this one's memory. Each call rejects when the store is away. */
export interface TicketStore {
  /** Keeps what a ticket stands for, for `lifeMs`. */
  keep (name: string, sealed: string, lifeMs: number): Promise<void>
  /** Gives it once, to one of all who ask; null: it is not there, or not any more. */
  take (name: string): Promise<string | null>
  /** Whether this proof is shown for the first time; remembered for `memoryMs`. */
  noteProof (id: string, memoryMs: number): Promise<boolean>
}
