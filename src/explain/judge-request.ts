import type { UpgradeSettings } from '../config/config.js'
import { isRefusal, PATHS, readRequest, type UpgradeRequest } from '../connection/read-request.js'
import type { UpgradeHead } from '../connection/transport.js'
import { KINDS } from '../kinds.js'
import { orList } from '../list-words.js'
import { refuse, type Refusal } from '../refusals.js'
import type { ExplainQuestion } from './explanation.js'
import { fail, pass, type Finding } from './finding.js'

export interface JudgeRequestDeps {
  readonly settings: UpgradeSettings
  /** Why no upgrade is taken now, from anybody; null: they are. */
  readonly closed: () => Refusal | null
}

const NO_BYTES = new ArrayBuffer(0)
/** Request line and headers of a browser, without token and filters. */
const USUAL_HEAD_BYTES = 500
/** Of a refusal for all, by its detail: which setting. */
const CLOSED_BY: Readonly<Record<string, string>> = {
  'pending upgrades': 'WS_MAX_PENDING_UPGRADES', connections: 'WS_MAX_CONNECTIONS'
}

/** The head of a well-formed upgrade request for what is asked, without its token. */
export function toHead (question: ExplainQuestion, host: string): UpgradeHead {
  const path = question.path ?? '/ws'
  const query = KINDS.flatMap(({ list }) => {
    const ids = question[list]
    return ids === undefined ? [] : [`${list}=${encodeURIComponent(typeof ids === 'string' ? ids : ids.join(','))}`]
  }).join('&')
  return {
    path,
    query,
    bytes: USUAL_HEAD_BYTES + query.length + (question.token?.length ?? 0),
    headers: {
      host,
      origin: question.origin ?? '',
      authorization: '',
      upgrade: 'websocket',
      connection: 'Upgrade',
      secWebSocketKey: 'AAAAAAAAAAAAAAAAAAAAAA==',
      secWebSocketVersion: '13',
      secWebSocketProtocol: '',
      secWebSocketExtensions: '',
      forwardedFor: '',
      traceparent: ''
    },
    peer: NO_BYTES,
    proxied: NO_BYTES
  }
}

/** Whether anybody may come now, and the request can be read. `onRead` gets it. */
export function judgeRequest (
  { settings, closed }: JudgeRequestDeps, head: UpgradeHead, onRead: (request: UpgradeRequest) => void
): Finding {
  const shut = closed()
  if (shut !== null) {
    const { detail = '' } = shut
    const setting = CLOSED_BY[detail]
    return fail(shut, `this process takes no upgrade now: ${detail === '' ? shut.message : detail}`, setting === undefined ? {} : { setting })
  }
  if (!PATHS.has(head.path)) return fail(refuse('not_found'), `there is no such path: wanted is ${orList([...PATHS.keys()])}`)
  const request = readRequest(head, settings)
  if (isRefusal(request)) {
    return fail(request, request.message, / at most \d+ ids$/.test(request.message) ? { setting: 'WS_MAX_FILTER_IDS' } : {})
  }
  onRead(request)
  return pass(`the request for ${head.path} is well-formed`)
}
