import type { CallArguments, CaseOptions } from './case-files.js'

/** What an application was told: one member, by its kind. */
export type Heard = Readonly<Record<string, unknown>>

/** An application with a client under test, in whatever language: what a case has it do, and what it hears. One page at a time. */
export interface Application {
  readonly heard: Heard[]
  /** How calls ended, in the order in which they were made: `''` for success, else the reason. */
  readonly ends: Array<Promise<string>>
  open (url: string, options: CaseOptions): void | Promise<void>
  /** The page is gone: it tells nothing, and stores nothing, any more. */
  leave (): void | Promise<void>
  call (name: string, given: CallArguments): void | Promise<void>
  signIn (user: string | null): void | Promise<void>
  /** The token callback gives none from now on. */
  signOut (): void | Promise<void>
  /** The application closes its client, and hears what that tells. */
  close (): void | Promise<void>
  /** Each value in the storage becomes this text. */
  store (text: string): void | Promise<void>
  /** The client's clock moves on, in ms. */
  pass (ms: number): void | Promise<void>
  /** All that it was told so far, and all that it has asked, is out. */
  settle (): void | Promise<void>
}
