interface GoodToken {
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
  readonly user: string
}

/** Claims of one vendor's tokens in their published form, besides `iss`, `iat` and `exp`. */
export interface VendorTokens {
  readonly header?: Readonly<Record<string, unknown>>
  readonly access: Readonly<Record<string, unknown>>
  readonly user: string
  /** Further access tokens of this issuer, by what they are. */
  readonly more?: ReadonlyArray<readonly [string, GoodToken]>
  /** Tokens that must not open the gateway, by what they are; and the cause. */
  readonly refused: ReadonlyArray<readonly [string, Readonly<Record<string, unknown>>, string]>
}

const TENANT = 'aaaabbbb-0000-cccc-1111-dddd2222eeee'
const APPLICATION = '11112222-bbbb-3333-cccc-4444dddd5555'
const OID = 'aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb'

/** By the heading of the guide's section; with several issuers there one entry for each, in their order. */
export const VENDOR_TOKENS: Readonly<Record<string, readonly VendorTokens[]>> = {
  Auth0: [{
    access: { sub: 'auth0|6650', aud: ['https://api.example.com', 'https://example.eu.auth0.com/userinfo'], scope: 'openid ws:send', azp: 'client' },
    user: 'auth0|6650',
    more: [
      ['of the profile RFC 9068', {
        header: { typ: 'at+jwt' }, claims: { sub: 'auth0|6650', aud: ['https://api.example.com'], client_id: 'client', jti: '73Wa', scope: 'ws:send' }, user: 'auth0|6650'
      }],
      ['of a program', { claims: { sub: 'awZf@clients', aud: 'https://api.example.com', azp: 'awZf', scope: 'ws:send' }, user: 'awZf@clients' }]
    ],
    refused: [
      ['one that is bound to a certificate', { sub: 'auth0|6650', aud: 'https://api.example.com', scope: 'ws:send', cnf: { 'x5t#S256': 'A4Dt' } }, 'sender_constrained'],
      ['an ID token', { sub: 'auth0|6650', aud: 'client', nonce: 'n', sid: 's', name: 'Alice' }, 'token_type'],
      ['an ID token without nonce', { sub: 'auth0|6650', aud: 'client', sid: 's' }, 'audience']]
  }],
  Okta: [{
    header: { typ: undefined },
    access: { ver: 1, jti: 'AT.0mP', aud: 'api://default', cid: '0oa1', uid: '00u1', scp: ['openid', 'ws:send'], auth_time: 1, sub: 'alice@example.com' },
    user: '00u1',
    refused: [['one of a service app, which has no uid', { ver: 1, jti: 'AT.0mP', aud: 'api://default', cid: '0oa1', scp: ['mint'], sub: '0oa1' }, 'claim_missing'],
      ['an ID token', { ver: 1, jti: 'ID.0mP', aud: '0oa1', sub: '00u1', uid: '00u1', amr: ['pwd'], at_hash: 'h', auth_time: 1 }, 'token_type']]
  }],
  Entra: [{
    access: { aud: APPLICATION, azp: 'client', azpacr: '0', oid: OID, scp: 'access_as_user', sub: 'pairwise-1', tid: TENANT, uti: 'u', ver: '2.0', nbf: 1, aio: 'a' },
    user: `contoso:${OID}`,
    more: [['of a program, which has roles', {
      claims: { aud: APPLICATION, azp: 'client', azpacr: '1', idtyp: 'app', oid: OID, roles: ['ws:send'], sub: OID, tid: TENANT, uti: 'u', ver: '2.0' }, user: `contoso:${OID}`
    }]],
    refused: [['an ID token', { aud: APPLICATION, oid: OID, sub: 'pairwise-2', nonce: 'n', tid: TENANT, ver: '2.0', name: 'Alice' }, 'token_type'],
      ['a token for Microsoft Graph', { aud: '00000003-0000-0000-c000-000000000000', oid: OID, sub: 'p', scp: 'User.Read', ver: '1.0' }, 'audience']]
  }, {
    access: { aud: `api://${APPLICATION}`, acr: '1', appid: 'client', appidacr: '0', oid: OID, scp: 'access_as_user', sub: 'pairwise-1', tid: TENANT, ver: '1.0' },
    user: `contoso-v1:${OID}`,
    more: [['whose client asked for it by the id', {
      claims: { aud: APPLICATION, acr: '1', amr: ['pwd'], appid: 'client', appidacr: '0', oid: OID, scp: 'access_as_user', sub: 'pairwise-1', tid: TENANT, unique_name: 'a', ver: '1.0' },
      user: `contoso-v1:${OID}`
    }]],
    refused: [['an ID token', { aud: 'client', oid: OID, sub: 'pairwise-2', nonce: 'n', tid: TENANT, ver: '1.0' }, 'token_type']]
  }],
  Cognito: [{
    header: { typ: undefined },
    access: {
      sub: OID, client_id: '1example23456789', origin_jti: 'o1', event_id: 'e1', token_use: 'access', scope: 'openid ws:send', auth_time: 1, jti: 'j1', username: 'alice', version: 2
    },
    user: OID,
    more: [['that is bound to a resource', {
      header: { typ: undefined },
      claims: { sub: OID, client_id: '1example23456789', aud: 'https://api.example.com', token_use: 'access', scope: 'openid', origin_jti: 'o1', version: 2 },
      user: OID
    }]],
    refused: [['an ID token', { sub: OID, aud: '1example23456789', 'cognito:username': 'alice', origin_jti: 'o1', token_use: 'id', at_hash: 'h', auth_time: 1 }, 'token_type'],
      ['a token of another client', { sub: OID, client_id: 'another', token_use: 'access', scope: 'openid' }, 'audience']]
  }],
  Google: [{
    access: { sub: '110169484474386276334', aud: 'https://gateway.example.com', azp: '110169484474386276334', email: 'job@example.iam.gserviceaccount.com', email_verified: true },
    user: '110169484474386276334',
    refused: [['an ID token of a person', { sub: '1101', aud: 'https://gateway.example.com', azp: 'client', at_hash: 'h', email: 'alice@example.com' }, 'token_type'],
      ['one for another client', { sub: '1101', aud: 'client', azp: 'client' }, 'audience']]
  }],
  Clerk: [{
    access: { sub: 'user_2a', azp: 'https://app.example.com', sid: 'sess_2a', sts: 'active', v: 2, fva: [0, -1], pla: 'u:free', fea: '', jti: 'j', nbf: 1 },
    user: 'user_2a',
    refused: [['one that was asked for without an Origin', { sub: 'user_2a', sid: 'sess_2a', sts: 'active', v: 2 }, 'audience'],
      ['a token made for another page', { sub: 'user_2a', azp: 'https://evil.example', sid: 'sess_2a', v: 2 }, 'audience'],
      ['an ID token of its OAuth applications', { sub: 'user_2a', azp: 'https://app.example.com', aud: 'client', at_hash: 'h' }, 'token_type']]
  }],
  Zitadel: [{
    access: { sub: '2900', aud: ['280000000000000002', '280000000000000001'], client_id: '280000000000000002', jti: 'V2_1-at_2', nbf: 1 },
    user: '2900',
    refused: [['an ID token', { sub: '2900', aud: ['280000000000000002', '280000000000000001'], azp: '280000000000000002', amr: ['pwd'], auth_time: 1, at_hash: 'h' }, 'token_type']]
  }],
  Ory: [{
    access: { sub: OID, aud: [], client_id: APPLICATION, ext: {}, jti: 'j', nbf: 1, scp: ['openid', 'ws:send'] },
    user: OID,
    refused: [['an ID token', { sub: OID, aud: [APPLICATION], client_id: APPLICATION, at_hash: 'h', auth_time: 1, rat: 1, sid: 's' }, 'token_type'],
      ['a token of another client', { sub: OID, aud: [], client_id: 'another', scp: [] }, 'audience']]
  }],
  Firebase: [{
    access: { sub: 'uid1', user_id: 'uid1', aud: 'example-project', auth_time: 1, email: 'alice@example.com', firebase: { identities: {}, sign_in_provider: 'password' } },
    user: 'uid1',
    refused: [['a token of another project', { sub: 'uid1', user_id: 'uid1', aud: 'another-project', auth_time: 1 }, 'audience']]
  }],
  ADFS: [{
    access: { aud: 'https://api.example.com', appid: 'client', apptype: 'Public', authmethod: 'forms', auth_time: '2026-01-01T00:00:00.000Z', ver: '1.0', scp: 'openid ws:send', upn: 'alice@example.com' },
    user: 'alice@example.com',
    more: [['whose API is named by no URI', {
      claims: { aud: 'microsoft:identityserver:example-api', appid: 'client', apptype: 'Confidential', ver: '1.0', upn: 'alice@example.com' }, user: 'alice@example.com'
    }]],
    refused: [['one for nothing but the userinfo endpoint', { aud: 'urn:microsoft:userinfo', sub: 'pairwise', upn: 'alice@example.com', scp: 'openid' }, 'audience'],
      ['an ID token', { aud: 'client', sub: 'pairwise', upn: 'alice@example.com', unique_name: 'EXAMPLE\\alice', pwd_exp: '1', sid: 'S-1-5' }, 'audience']]
  }]
}
