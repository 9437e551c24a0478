import { checkPublication } from '../history/event-payload.js'
import type { Publication } from '../history/history.js'
import { KINDS } from '../kinds.js'
import { orList } from '../list-words.js'
import { JsonText } from '../wire/json-text.js'
import { isItems, readItems, type NoItems } from '../wire/read-items.js'
import { isMembers, readMembers, type Members, type NoMembers } from '../wire/read-members.js'
import { skipSpace } from '../wire/scan-json.js'
import { NOT_JSON } from './create-route.js'
import { MAX_PUBLICATIONS, PublishBodySchema } from './request-schemas.js'
import type { ParsedBody } from './route.js'
import { createShape } from './shape.js'

/** One event that is asked to be published, or why it cannot be. */
export type PublicationEntry = Publication | { readonly fault: string }

/** A body that asks for one publication, or for several, each to be answered by itself. */
export class PublishRequest {
  constructor (readonly entries: readonly PublicationEntry[], readonly isList: boolean) {}
}

const TOPICS = orList([...KINDS.map(({ kind }) => kind), 'user'].map(kind => `${kind}:<id>`))
const ENTRY = createShape(
  PublishBodySchema, `wanted: topic (${TOPICS}), event (a name of 1 to 128 characters), data, and perhaps id (1 to 64 characters)`
)
const FIELDS: ReadonlySet<string> = new Set(Object.keys(PublishBodySchema.properties))
/** What is told of an event that has no members. */
const ENTRY_FAULTS: Readonly<Record<NoMembers, string>> = {
  not_utf8: NOT_JSON, not_json: NOT_JSON, wrong_shape: ENTRY.wanted, too_deep: 'the event is nested too deeply'
}
const LIST_FAULTS: Readonly<Record<NoItems, string>> = {
  not_json: NOT_JSON, wrong_shape: ENTRY.wanted, too_many: `wanted: at most ${MAX_PUBLICATIONS} events in one request`
}
const EMPTY_LIST = 'wanted: one event at least'
const OPEN_BRACKET = 0x5b
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Reads what is to be published. All of `bytes`, which is UTF-8, is scanned once; the data of each event is a part of it. */
export function readPublications (bytes: Buffer): ParsedBody {
  if (bytes[skipSpace(bytes, 0)] !== OPEN_BRACKET) return readOne(bytes)
  const items = readItems(bytes, FIELDS, MAX_PUBLICATIONS)
  if (!isItems(items)) return { ok: false, fault: LIST_FAULTS[items] }
  if (items.length === 0) return { ok: false, fault: EMPTY_LIST }
  return { ok: true, value: new PublishRequest(items.map(readEntry), true) }
}

function readOne (bytes: Buffer): ParsedBody {
  const entry = readEntry(readMembers(bytes, FIELDS))
  return 'fault' in entry ? { ok: false, fault: entry.fault } : { ok: true, value: new PublishRequest([entry], false) }
}

/** Of duplicate names the last counts, as with `JSON.parse`. */
function readEntry (members: Members | NoMembers): PublicationEntry {
  if (!isMembers(members)) return { fault: ENTRY_FAULTS[members] }
  const { known } = members
  const data = known.get('data')
  const idJson = known.get('id')
  const named = { topic: readText(known.get('topic')), event: readText(known.get('event')), data: null }
  const entry: unknown = idJson === undefined ? named : { ...named, id: readText(idJson) }
  if (!ENTRY.fits(entry) || data === undefined) return { fault: ENTRY.wanted }
  const { topic, event, id = null } = entry
  const publication = { topic, event, data: JsonText.ofChecked(data), id }
  const fault = findFault(publication)
  return fault === null ? publication : { fault }
}

/** Why an event of the right shape cannot be published; null: it can. */
function findFault (publication: Publication): string | null {
  const plain = findPlainForm(publication.topic)
  if (plain !== null) return describeEncoded(plain)
  try {
    checkPublication(publication)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : 'not an event'
  }
}

/** The text of a JSON string; null for any other value, of which no object is made, and for none. */
function readText (json: Buffer | undefined): unknown {
  if (json?.[0] !== QUOTE) return null
  // Most hold no escape, and are text as they stand.
  return json.includes(BACKSLASH) ? JSON.parse(json.toString()) : json.toString('utf8', 1, json.length - 1)
}

/** A percent-encoded octet: an id that really has one is told from a mistake in Redis only, where every id is encoded. */
const ENCODED = /%[0-9A-Fa-f]{2}/

/** The topic as it should have been written, when its id is percent-encoded. */
function findPlainForm (topic: string): string | null {
  if (!ENCODED.test(topic)) return null
  try {
    return decodeURIComponent(topic)
  } catch {
    return '<kind>:<id>'
  }
}

function describeEncoded (plain: string): string {
  return `the topic's id is not percent-encoded here: if ${plain} is meant, write that; an id that itself holds % and two hex digits is published to by Redis only`
}
