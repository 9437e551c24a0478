import { KINDS } from '../kinds.js'
import { orList } from '../list-words.js'

/** Ids of every kind, and event types: 1 to 128 of these characters, so that none can shape a key, a query or a line. */
export const ID_PATTERN = '^[A-Za-z0-9._:-]{1,128}$'

/** What `send` is for, and the topics of resources: `<kind>:<id>`. */
export const TARGET_PATTERN = `^(${KINDS.map(({ kind }) => kind).join('|')}):${ID_PATTERN.slice(1)}`

/** Those forms in Markdown, for people. */
export const TARGET_FORMS: readonly string[] = KINDS.map(({ kind }) => `\`${kind}:<id>\``)

/** The kinds of which one is meant, for people: `agent or task`. */
export const ANY_KIND = orList(KINDS.map(({ kind }) => kind))

/** A target for the examples of documents. */
export const SAMPLE_TARGET = `${KINDS[0].kind}:${KINDS[0].samples[0]}`

/** A position for the examples of documents. */
export const SAMPLE_POSITION = '17963856634120001f0c2d9a:41'
