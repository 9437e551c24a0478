/** Undefined where it is no JSON. */
export function parseJson (text) {
  try { return JSON.parse(text) } catch { return undefined }
}

export const isObject = (value) => typeof value === 'object' && value !== null
export const secondsLeft = (untilMs) => Math.max(0, Math.ceil((untilMs - Date.now()) / 1000))

/** Seconds as `4:59`, or as `1:04:59`. */
export function clock (seconds) {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return parts.slice(parts[0] > 0 ? 0 : 1).map((part, at) => at === 0 ? part : String(part).padStart(2, '0')).join(':')
}

export const gatewayUrl = (path) => `${location.protocol.replace('http', 'ws')}//${location.host}${path}`
