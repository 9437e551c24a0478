/** What a log stood at when the store was asked about it: its answer may be older than what has come since. */
export interface Asked {
  readonly epoch: string | null
  readonly last: number
  readonly lastAtMs: number
  /** How much had come to wait by then. */
  readonly heard: number
}
