import { readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'

/** More than any head of a request takes. */
const MAX_BYTES = 65_536
/** How every JWT begins: `{"` in base64. */
const TOKEN_START = /^eyJ/

export type ReadToken = { readonly ok: true, readonly token: string } | { readonly ok: false, readonly reason: string }

const refuseRead = (reason: string): ReadToken => ({ ok: false, reason: `--token: ${reason}` })

async function readStream (input: Readable): Promise<string | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of input as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BYTES) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** The first line that is not empty; `Bearer`, where it was copied with the token, is left out. */
function findToken (text: string | null): ReadToken {
  if (text === null) return refuseRead(`more than ${MAX_BYTES} bytes, which is no token`)
  const token = text.trim().replace(/^(authorization: *)?(bearer|dpop) +/i, '')
  if (token === '') return refuseRead('nothing was read')
  return /\s/.test(token) ? refuseRead('one token is wanted, and nothing beside it') : { ok: true, token }
}

/**
 * Reads a token from the standard input (`-`) or from a file. An argument is shown to everybody on the host by `ps`, so a token there
 * is not taken; no reason repeats what was given.
 */
export async function readToken (from: string, input: Readable): Promise<ReadToken> {
  if (from === '-') return findToken(await readStream(input))
  if (TOKEN_START.test(from)) return refuseRead('a token in an argument is seen by everybody on this host: give it by the standard input, with `--token -`, or name a file')
  try {
    return findToken(await readFile(from, 'utf8'))
  } catch {
    return refuseRead('the file cannot be read; `-` is the standard input')
  }
}
