import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import type { Frame } from '../support/client.js'
import { PROJECT } from '../support/root.js'

/** What a client is made with, in the words of packages/client/cases/README.md. */
export interface CaseOptions {
  readonly agents?: readonly string[] | '*'
  readonly tasks?: readonly string[] | '*'
  readonly event_types?: readonly string[]
  readonly last?: number
  readonly storage?: 'none' | 'kept' | 'throws'
  readonly states?: boolean
}

/** What a call is given: a subscription, or a message. */
export interface CallArguments extends CaseOptions {
  readonly to?: string
  readonly data?: unknown
  readonly id?: string
}

/** Every step by its key. */
export interface Steps {
  readonly connects: Readonly<Record<string, string>>
  readonly welcome: Readonly<Record<string, unknown>>
  readonly answers: Frame
  readonly sends: Frame
  readonly event: Readonly<Record<string, unknown>>
  readonly breaks: true
  readonly closes: { readonly code: number } & Readonly<Record<string, unknown>>
  readonly asks: Frame
  readonly calls: Readonly<Record<string, CallArguments>>
  readonly resolves: true
  readonly rejects: string
  readonly signs_in: string | null
  readonly signs_out: true
  readonly closes_client: true
  readonly page_load: CaseOptions
  readonly stores: string
  readonly passes_ms: number
  readonly hears: Readonly<Record<string, unknown>>
}
export type Step = { readonly [Key in keyof Steps]: { readonly key: Key, readonly value: Steps[Key] } }[keyof Steps]

export interface Case {
  readonly name: string
  readonly options: CaseOptions
  readonly steps: readonly Step[]
}

interface CaseFile {
  readonly options?: CaseOptions
  readonly given?: ReadonlyArray<Partial<Steps>>
  readonly cases: ReadonlyArray<{ readonly name: string, readonly options?: CaseOptions, readonly steps: ReadonlyArray<Partial<Steps>> }>
}

const FOLDER = fileURLToPath(new URL('packages/client/cases/', PROJECT))

function readStep (step: Partial<Steps>): Step {
  const [entry, another] = Object.entries(step)
  if (entry === undefined || another !== undefined) throw new Error(`a step has one key: ${JSON.stringify(step)}`)
  return { key: entry[0], value: entry[1] } as Step
}

/** The tables of cases, by the names of their files. */
export function readCaseFiles (): ReadonlyMap<string, readonly Case[]> {
  const files = readdirSync(FOLDER).filter(file => file.endsWith('.yaml')).toSorted()
  return new Map(files.map((file) => {
    const { options, given = [], cases } = parse(readFileSync(FOLDER + file, 'utf8')) as CaseFile
    return [file, cases.map(one => ({
      name: one.name,
      options: { ...options, ...one.options },
      steps: [...given, ...one.steps].map(readStep)
    }))]
  }))
}
