import { Compile } from '#typebox/compile'
import { SETTINGS, SettingsSchema, type SettingName, type SettingValues } from './settings.js'

const validator = Compile(SettingsSchema)

/** One wrong or missing setting. */
export interface SettingError { readonly setting: string, readonly reason: string }

/** Takes down one mistake; the reason never repeats a secret. */
export type ReportMistake = (setting: SettingName, reason: string) => void

interface Schema {
  readonly type?: string
  readonly default?: unknown
  readonly secret?: boolean
  /** Its name in lower case counts first. */
  readonly lowerCase?: boolean
  readonly enum?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  /** What the pattern means, in words. */
  readonly wanted?: string
  readonly maxItems?: number
  readonly items?: Schema
}
/** What a text that does not read as its type becomes: a value that no schema accepts. */
const UNREADABLE = Symbol('unreadable')

function readValue (schema: Schema, text: string): unknown {
  switch (schema.type) {
    case 'integer': return /^-?\d{1,15}$/.test(text) ? Number(text) : UNREADABLE
    case 'boolean': return text === 'true' ? true : text === 'false' ? false : UNREADABLE
    case 'array': {
      const entries = text.split(',').map(entry => entry.trim())
      // Of secrets an empty one is a mistake: what was meant is not set.
      return schema.secret === true ? entries : entries.filter(entry => entry !== '')
    }
    default: return text
  }
}

function expectation (schema: Schema): string {
  if (schema.enum !== undefined) return `must be one of ${schema.enum.join(', ')}`
  if (schema.type === 'integer') return `must be a whole number from ${schema.minimum} to ${schema.maximum}`
  if (schema.type === 'boolean') return 'must be true or false'
  if (schema.type === 'array' && schema.secret === true) return `must be one value of at least ${schema.items?.minLength} bytes, or two with a comma between them`
  if (schema.type === 'array') return 'must name at least one'
  if (schema.minLength !== undefined && schema.minLength > 0) return `must be ${schema.minLength} to ${schema.maxLength} characters long`
  if (schema.wanted !== undefined) return `must be ${schema.wanted}`
  if (schema.pattern !== undefined) return `must match ${schema.pattern}`
  return `must be text of at most ${schema.maxLength ?? 4096} characters`
}

/** An empty text is none. */
function readText (env: NodeJS.ProcessEnv, name: SettingName, schema: Schema): string {
  const lower = schema.lowerCase === true ? env[name.toLowerCase()]?.trim() ?? '' : ''
  return lower === '' ? env[name]?.trim() ?? '' : lower
}

/** Secrets are never echoed, not even wrong ones. */
function shown (schema: Schema, text: string): string {
  return schema.secret === true ? '' : `, not ${JSON.stringify(text.slice(0, 80))}`
}

/**
 * Reads every setting from the environment by the one schema; an empty value counts as unset.
 * Returns all errors at once, never a guess in place of a bad value.
 */
export function readSettings (env: NodeJS.ProcessEnv): { values: SettingValues, errors: SettingError[] } {
  const values: Record<string, unknown> = {}
  const names = Object.keys(SETTINGS) as SettingName[]
  for (const name of names) {
    const schema: Schema = SETTINGS[name]
    const text = readText(env, name, schema)
    if (text !== '') values[name] = readValue(schema, text)
    else if (schema.default !== undefined) values[name] = schema.default
  }
  // Each by itself: the validator of all names only the first few.
  const wrong = validator.Check(values) ? [] : names.filter(name => name in values && !Compile(SETTINGS[name]).Check(values[name]))
  const errors = wrong.map((setting): SettingError => {
    const schema: Schema = SETTINGS[setting]
    return { setting, reason: expectation(schema) + shown(schema, readText(env, setting, schema)) }
  })
  return { values: values as unknown as SettingValues, errors }
}
