import { baseOf, joinUrl } from '../join-url.js'
import { readPage } from './read-page.js'

export type TokenAnswer = { readonly ok: true, readonly token: string } | { readonly ok: false, readonly reason: string }

const MAX_BYTES = 65_536
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/

/** Asks the issuer of a development gateway for a token with these claims. Never rejects; a reason repeats nothing of the answer. */
export async function fetchToken (base: URL, claims: Readonly<Record<string, string>>): Promise<TokenAnswer> {
  const url = joinUrl(base, '/dev/token')
  url.search = new URLSearchParams(claims).toString()
  const page = await readPage(url, { maxBytes: MAX_BYTES })
  if (!page.ok) return { ok: false, reason: `${page.reason}: is the development gateway running (npm run dev)?` }
  if (page.status === 404) return { ok: false, reason: `${baseOf(base)} has no development issuer: only npm run dev hands out tokens` }
  const token = page.text.trim()
  if (page.status !== 200 || !TOKEN.test(token)) return { ok: false, reason: `${baseOf(base)} answered ${page.status} and no token` }
  return { ok: true, token }
}
