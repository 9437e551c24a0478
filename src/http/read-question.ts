import { WANTED_ADDRESS, type ExplainQuestion } from '../explain/explanation.js'
import { isObject } from '../tokens/token-format.js'
import { parseJson } from './create-route.js'
import { EXPLAINED_IDS, ExplainBodySchema } from './request-schemas.js'
import type { ParsedBody } from './route.js'
import { createShape } from './shape.js'

/** A body that asks about an upgrade: the members that fit, and a sentence for each thing that is wrong with the others. */
export class ExplainRequest {
  constructor (readonly question: ExplainQuestion, readonly faults: readonly string[]) {}
}

const NAMES = Object.keys(ExplainBodySchema.properties).join(', ')
const WANTED = `wanted an object of ${NAMES}, and nothing else`
const NOT_BOTH = 'token or claims, not both'
/** Names like those of members. Others are not repeated: a token may have got into the place of a name. */
const PLAIN_NAME = /^[A-Za-z_]\w{0,31}$/
const MAX_NAMED = 5

/** In words, what a member must be. */
function wantedOf (name: string, schema: object): string {
  if (name === 'address') return WANTED_ADDRESS
  if ('maxLength' in schema) return `${name}: wanted a text of 1 to ${String(schema.maxLength)} characters`
  if (!('anyOf' in schema)) return `${name}: wanted an object`
  const { most, maxLength, maxTextLength } = EXPLAINED_IDS
  return `${name}: wanted a list of at most ${most} ids of at most ${maxLength} characters, or one text with commas of at most ${maxTextLength}`
}

const MEMBERS = new Map(
  Object.entries(ExplainBodySchema.properties).map(([name, schema]) => [name, createShape(schema, wantedOf(name, schema))])
)

/** Reads a question member by member, so that its answer names all that are wrong. */
export function readQuestion (bytes: Buffer): ParsedBody {
  const parsed = parseJson(bytes)
  if (!parsed.ok) return parsed
  if (!isObject(parsed.value)) return { ok: false, fault: WANTED }
  const members = Object.entries(parsed.value)
  // A set: a body may have as many members as it has room for.
  const misfits = new Set(members.filter(([name, value]) => MEMBERS.get(name)?.fits(value) !== true))
  const question = Object.fromEntries(members.filter(member => !misfits.has(member))) as ExplainQuestion
  const names = new Set(members.map(([name]) => name))
  const twofold = names.has('token') && names.has('claims') ? [NOT_BOTH] : []
  return { ok: true, value: new ExplainRequest(question, [...describeMisfits([...misfits].map(([name]) => name)), ...twofold]) }
}

function describeMisfits (names: readonly string[]): string[] {
  const unknown = names.filter(name => !MEMBERS.has(name))
  const wrong = names.flatMap(name => MEMBERS.get(name)?.wanted ?? [])
  return unknown.length === 0 ? wrong : [...wrong, `${describeUnknown(unknown)}: ${WANTED}`]
}

function describeUnknown (names: readonly string[]): string {
  const shown = names.filter(name => PLAIN_NAME.test(name)).slice(0, MAX_NAMED)
  const others = names.length - shown.length
  return [...shown, ...(others > 0 ? [`${others} other ${others === 1 ? 'name' : 'names'}`] : [])].join(', ')
}
