/**
 * A `postgres://` URL with the file of authorities by which the database's certificate is verified, and its name where the URL has no
 * `sslmode` of its own. What cannot be read as a URL is left as it is: `readDatabaseUrl` says what is wrong with it.
 */
export function withAuthorities (url: string, file: string): string {
  if (!URL.canParse(url)) return url
  const { search, searchParams } = new URL(url)
  const mode = searchParams.has('sslmode') ? '' : '&sslmode=verify-full'
  // Written behind what stands there: a URL that is put together anew could have another password.
  return `${url}${search === '' ? '?' : '&'}sslrootcert=${encodeURIComponent(file)}${mode}`
}

/** Whether a URL names a file of authorities itself. */
export function namesAuthorities (url: string): boolean {
  return URL.canParse(url) && new URL(url).searchParams.has('sslrootcert')
}
