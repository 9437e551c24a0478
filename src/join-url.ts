/** Where a server is, without a slash at its end: origin and prefix, such as `https://host/gateway`. Query and fragment are left out. */
export function baseOf ({ origin, pathname }: URL): string {
  return `${origin}${pathname.replace(/\/+$/, '')}`
}

/**
 * The address of a path at a server that may stand behind a prefix, which is lost where a path from the root is resolved against `base`.
 * Query and fragment of `base` are left out. Throws TypeError when it is no http or https URL.
 */
export function joinUrl (base: string | URL, path: `/${string}`): URL {
  const url = new URL(base)
  if (!/^https?:$/.test(url.protocol)) throw new TypeError('wanted an http or https URL')
  url.pathname = `${url.pathname.replace(/\/+$/, '')}${path}`
  url.search = ''
  url.hash = ''
  return url
}
