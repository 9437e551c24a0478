import type { EventTerms } from './event-terms.js'

/** Lines about what issuers tell beside tokens: the catalogue's part. */
export const ISSUER_EVENTS = {
  'token.service_key': {
    level: 'warn',
    when: 'a client presented a key of Supabase that opens every row: it was given away, so change it; once per address, for the first hundred',
    fields: ['ip', 'detail'],
    optional: []
  },
  'logout.heard': {
    level: 'info',
    when: 'an issuer said that `target` logged out (`POST /oidc/backchannel-logout`), and it is done: `outcome` is `kept` on every process, `held` on this one while Redis is away, `repeated` when it was done before',
    fields: ['issuer', 'ip', 'outcome'],
    optional: ['target']
  },
  'logout.refused': {
    level: 'warn',
    when: 'a logout token did nothing: `reason` is the cause; ten lines per address in 10 s, then one with `suppressed`',
    fields: ['ip', 'reason'],
    optional: ['issuer', 'detail', 'suppressed']
  },
  'logout.waiting': {
    level: 'warn',
    when: 'a logout token waits for its issuer\'s keys, is answered 503, and judged as they come, until it is five minutes old; ten lines per address in 10 s',
    fields: ['ip', 'issuer'],
    optional: []
  },
  'logout.unheard': {
    level: 'warn',
    when: 'a start whose settings let no logout of an issuer be heard: `reason` names the setting',
    fields: ['issuer', 'reason'],
    optional: []
  },
  'signal.heard': {
    level: 'info',
    when: 'an issuer told of events (`POST /ssf/events`): `outcome` as in `logout.heard`, of `target`; `detail` says what of it orders nothing here, and why',
    fields: ['issuer', 'ip', 'outcome'],
    optional: ['target', 'detail']
  },
  'signal.refused': {
    level: 'warn',
    when: 'a security event token did nothing: `reason` is the cause; ten lines per address in 10 s, then one with `suppressed`',
    fields: ['ip', 'reason'],
    optional: ['issuer', 'detail', 'suppressed']
  },
  'signal.waiting': {
    level: 'warn',
    when: 'a security event token waits for its issuer\'s keys, as `logout.waiting`',
    fields: ['ip', 'issuer'],
    optional: []
  }
} as const satisfies Readonly<Record<string, EventTerms>>
