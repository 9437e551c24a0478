// Keycloak's admin REST interface.

/** Tokens of the administrator end after a minute. */
const TOKEN_MS = 45_000

/** Posts a form; the answer's JSON. Throws on another status than 200. */
export async function postForm (url, fields) {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(fields) })
  if (!response.ok) throw new Error(`${response.status} ${new URL(url).pathname}: ${await response.text()}`)
  return await response.json()
}

/**
 * Logs in as administrator of the server at `url`. `call(method, path, body)` speaks to `/admin/realms<path>` and resolves with the
 * JSON that comes back, or null; it rejects on any failure.
 */
export async function createAdmin (url, username, password) {
  let token = { text: '', gotAtMs: -Infinity }

  async function login () {
    if (performance.now() - token.gotAtMs < TOKEN_MS) return token.text
    const grant = { grant_type: 'password', client_id: 'admin-cli', username, password }
    const { access_token: text } = await postForm(`${url}/realms/master/protocol/openid-connect/token`, grant)
    token = { text, gotAtMs: performance.now() }
    return text
  }

  async function call (method, path, body) {
    const response = await fetch(`${url}/admin/realms${path}`, {
      method,
      headers: { authorization: `Bearer ${await login()}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 300)}`)
    return text === '' ? null : JSON.parse(text)
  }

  await login()
  return { url, call }
}
