import t from 'tap'
import { loadConfig } from '../../src/config/load-config.js'
import { describe, startVerifier } from '../tokens/fixture.js'
import { expectMistakes } from '../config/expect-mistakes.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { readDocument } from './documents.js'
import { VENDOR_TOKENS, type VendorTokens } from './vendor-tokens.js'

const PAGE = readDocument('guides/vendors.md')

/** The settings in the block of each section, by its heading. */
function readSections (): ReadonlyMap<string, NodeJS.ProcessEnv> {
  return new Map([...PAGE.matchAll(/^## (.+)\n(?:(?!^## )[^])*?^```env\n([^]*?)^```$/gm)].map(([, heading = '', block = '']) =>
    [heading, Object.fromEntries(block.trim().split('\n').map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))]))
}

/** What becomes of a vendor's tokens by these settings, signed by a key that its issuer publishes. */
async function judge (issuer: TestIssuer, env: NodeJS.ProcessEnv, tokens: readonly VendorTokens[]): Promise<readonly string[]> {
  const { issuers, ...settings } = loadConfig(env).tokens
  const { verifier } = await startVerifier(t, issuers.map(each => ({ ...each, jwksUri: issuer.jwksUri })), { settings })
  return tokens.flatMap(({ header = {}, access, user, more = [], refused }, at) => {
    const iss = issuers[at]?.issuer
    const say = (claims: Readonly<Record<string, unknown>>, own: Readonly<Record<string, unknown>> = header): string =>
      describe(verifier.verifyNow(issuer.sign({ aud: undefined, sub: undefined, iss, ...claims }, { header: own })))
    const good = [['access token', { claims: access, user, header }] as const, ...more]
    return [
      ...good.map(([what, token]) => [what, say(token.claims, token.header), `accepted ${token.user}`]).filter(([, said, wanted]) => said !== wanted).map(([what, said]) => `${what}: ${said}`),
      ...refused.filter(([, claims, cause]) => say(claims) !== `invalid_token ${cause}`).map(([what, claims]) => `${what}: ${say(claims)}`)
    ]
  })
}

t.test('each vendor\'s access token is accepted by the settings of the page, and its other tokens are refused', async (t) => {
  const [issuer, sections] = [await startIssuer(t), readSections()]
  t.same([...sections.keys()], Object.keys(VENDOR_TOKENS), 'each section has its tokens')
  for (const [vendor, tokens] of Object.entries(VENDOR_TOKENS)) t.same(await judge(issuer, sections.get(vendor) ?? {}, tokens), [], vendor)
})

t.test('each member that an entry of ISSUERS may have stands in the page\'s table', async (t) => {
  const [mistake] = expectMistakes(t, { ISSUERS: '{}' })
  const members = [...(/\{([^}]+)\}/.exec(mistake?.reason ?? '')?.[1] ?? '').matchAll(/\w+/g)].map(([name]) => name)
  t.ok(members.length >= 17)
  t.same(members.filter(name => !PAGE.includes(`| \`${name}\``)), [])
})

t.test('each vendor\'s own page is linked', async (t) => {
  const unlinked = PAGE.split(/^## /m).slice(1, 1 + Object.keys(VENDOR_TOKENS).length).filter(section => !/\]\(https:\/\//.test(section))
  t.same(unlinked.map(section => section.split('\n', 1).join()), [])
})

t.test('the page\'s table has a row for each section', async (t) => {
  t.same([...readSections().keys()].filter(vendor => !new RegExp(`^\\| ${vendor}`, 'm').test(PAGE)), [])
})
