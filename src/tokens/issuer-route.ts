import * as tls from 'node:tls'

/** The way from this process to issuers. */
export interface IssuerRoute {
  /** PEM of authorities that are believed beside those of Node; null: none. */
  readonly authorities: string | null
  readonly proxies: IssuerProxies | null
}

export interface IssuerProxies {
  /** The proxy for http addresses; null: they are asked directly. */
  readonly http: string | null
  readonly https: string | null
  /** Hosts that are asked directly, as in `NO_PROXY`: names with all below them, `host:port`, or `*`. */
  readonly except: string
}

/** No proxy, no authority of one's own. */
export const DIRECT: IssuerRoute = { authorities: null, proxies: null }

/** Sends one request, as `fetch` does. */
export type SendRequest = (url: string, init: RequestInit) => Promise<Response>

/** `getCACertificates` has those of `NODE_EXTRA_CA_CERTS` as well; Node 20 cannot list them. */
function listAuthorities (): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: (kind: 'default') => readonly string[] }
  return getCACertificates?.('default') ?? tls.rootCertificates
}

/** Undici's files are opened at the first request, and only where a proxy or an authority needs them: they cost a start 50 ms. */
async function loadSender ({ authorities, proxies }: IssuerRoute): Promise<SendRequest> {
  const { EnvHttpProxyAgent, fetch } = await import('undici')
  const tlsOptions = authorities === null ? {} : { ca: [...listAuthorities(), authorities] }
  const dispatcher = new EnvHttpProxyAgent({
    connect: tlsOptions,
    requestTls: tlsOptions,
    proxyTls: tlsOptions,
    // An empty text is no proxy; left out, the variables of this process would count.
    httpProxy: proxies?.http ?? '',
    httpsProxy: proxies?.https ?? '',
    noProxy: proxies?.except ?? ''
  })
  // The package and Node each have types of their own for the same things.
  const send = fetch as unknown as SendRequest
  return async (url, init) => await send(url, { ...init, dispatcher } as unknown as RequestInit)
}

/** Makes the sender of all requests to issuers. Connections are not kept: there is nothing to close. */
export function createSender (route: IssuerRoute): SendRequest {
  if (route.authorities === null && route.proxies === null) return fetch
  let loading: Promise<SendRequest> | undefined
  return async (url, init) => await (await (loading ??= loadSender(route)))(url, init)
}
