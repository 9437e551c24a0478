import t from 'tap'
import { causeOfNetworkError } from '../../src/access/network-cause.js'
import { causeOfSqlstate } from '../../src/access/sqlstate.js'
import { findErrorCode } from '../../src/error-code.js'

const withCode = (code: unknown, cause?: unknown): Error => Object.assign(new Error('text of a peer', { cause }), code === undefined ? {} : { code })

t.test('the code of what lies beneath is found, and only what is a code', async (t) => {
  t.equal(findErrorCode(withCode(undefined, withCode('ENOTFOUND'))), 'ENOTFOUND')
  t.equal(findErrorCode(new AggregateError([withCode('ECONNREFUSED'), withCode('EHOSTUNREACH')])), 'ECONNREFUSED')
  t.same(['text', 'A B', `A${'B'.repeat(100)}`, 'A\u001b[2J', ''].map(code => findErrorCode(withCode(code))), [null, null, null, null, null])
  t.equal(findErrorCode('thrown'), null)
})

t.test('each code has its word, an unknown one too', async (t) => {
  const words: Readonly<Record<string, string>> = {
    ENOTFOUND: 'name_not_found',
    EAI_AGAIN: 'name_not_found',
    ECONNREFUSED: 'connection_refused',
    EHOSTUNREACH: 'unreachable',
    ETIMEDOUT: 'unreachable',
    ECONNRESET: 'connection_lost',
    CONNECTION_CLOSED: 'connection_lost',
    CERT_HAS_EXPIRED: 'tls',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls',
    ERR_TLS_CERT_ALTNAME_INVALID: 'tls',
    ESOMETHING: 'unknown'
  }
  t.same(Object.fromEntries(Object.keys(words).map(code => [code, causeOfNetworkError(withCode(code), code)])), words)
  t.equal(causeOfNetworkError(withCode(undefined), null), 'unknown')
})

t.test('an SQLSTATE has the word of its code, else of its class, else a common one', async (t) => {
  t.same(['53300', '53100', '08P01', 'P0002', '2201B', 'XX000', 'ZZ999'].map(causeOfSqlstate),
    ['too_many_connections', 'not_now', 'connection_lost', 'policy_raised', 'bad_value', 'query_failed', 'query_failed'])
})
