import { loadBinding } from '../../src/transport/uws/binding.js'

interface NativeAnswers {
  /** To a head over 16 KB: ours, with a body and a line, or one that the native layer gives without telling us. */
  readonly headOver16Kb: { readonly status: 400, readonly name: 'bad_request' } | { readonly status: 431, readonly name: undefined }
  /** To an upgrade whose head of 12 KB comes in several reads; null: the connection ends. */
  readonly headOf12KbInPieces: 101 | null
  /** To HTTP/1.0 and to a target with a scheme and a host; null: the connection ends after some ten seconds. */
  readonly otherThanHttp11WithAPath: 505 | null
  /** To more header lines than it takes. */
  readonly tooManyLines: { readonly lines: number, readonly status: 431 | null }
}

/** What each binding answers by itself, before the gateway sees a request. What tests expect of it stands here only. */
const ANSWERS: Readonly<Record<'current' | 'older', NativeAnswers>> = {
  current: {
    headOver16Kb: { status: 431, name: undefined },
    headOf12KbInPieces: 101,
    otherThanHttp11WithAPath: 505,
    tooManyLines: { lines: 100, status: 431 }
  },
  older: {
    headOver16Kb: { status: 400, name: 'bad_request' },
    headOf12KbInPieces: null,
    otherThanHttp11WithAPath: null,
    tooManyLines: { lines: 49, status: null }
  }
}

/** The binding that runs here, as the gateways under test load it. */
export const BINDING = loadBinding()
export const NATIVE_ANSWERS = ANSWERS[BINDING.name]
