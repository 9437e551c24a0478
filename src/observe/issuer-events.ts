import type { EventTerms } from './event-terms.js'

/** Lines about what issuers tell beside tokens: the catalogue's part. */
export const ISSUER_EVENTS = {
  'token.service_key': {
    level: 'warn',
    when: 'a client presented a key of Supabase that opens every row. That key is no secret any more: change it. Once per address, for the first hundred',
    fields: ['ip', 'detail'],
    optional: []
  },
  'logout.heard': {
    level: 'info',
    when: 'an issuer said that `target` logged out (`POST /oidc/backchannel-logout`), and that is done. `outcome` is `kept`: on every process; `held`: on this one, while Redis is away; `repeated`: it was done before',
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
    when: 'a logout token waits for its issuer\'s keys. It is answered 503, and judged when they come, until it is five minutes old; ten lines per address in 10 s',
    fields: ['ip', 'issuer'],
    optional: []
  },
  'logout.unheard': {
    level: 'warn',
    when: 'at a start: with these settings no logout of an issuer can be heard; `reason` names the setting',
    fields: ['issuer', 'reason'],
    optional: []
  },
  'signal.heard': {
    level: 'info',
    when: 'an issuer told of events about `target` (`POST /ssf/events`); `outcome` is as in `logout.heard`. `detail` says which events have no effect here, and why',
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
    when: 'a security event token waits for its issuer\'s keys, as in `logout.waiting`',
    fields: ['ip', 'issuer'],
    optional: []
  }
} as const satisfies Readonly<Record<string, EventTerms>>
