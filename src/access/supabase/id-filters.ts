/** Supabase returns at most 1000 rows by default, a project may set less: a piece stays below what is usual. */
const IDS_PER_REQUEST = 100
/** Proxies commonly take a request line of 8 KB. */
const MAX_FILTER_CHARS = 6000

/** Every id is quoted, as a comma, dot, colon or parenthesis has a meaning there. */
const quote = (id: string): string => encodeURIComponent(`"${id.replace(/["\\]/g, '\\$&')}"`)

/** Cuts a list into pieces, each of which a filter of bounded length can name. */
export function chunkIds (ids: readonly string[]): string[][] {
  const chunks: string[][] = []
  let chars = Infinity
  for (const id of ids) {
    const length = quote(id).length
    const last = chunks.at(-1)
    chars += length + 1
    if (last === undefined || last.length >= IDS_PER_REQUEST || chars > MAX_FILTER_CHARS) {
      chunks.push([id])
      chars = length
    } else {
      last.push(id)
    }
  }
  return chunks
}

/** An `id=in.(…)` filter, encoded. */
export const filterOf = (ids: readonly string[]): string => `id=in.(${ids.map(quote).join(',')})`
