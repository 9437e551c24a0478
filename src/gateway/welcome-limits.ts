import type { Config } from '../config/config.js'
import type { WelcomeLimits } from '../wire/frames.js'

/** The limits as `welcome` tells them. */
export function toWelcomeLimits ({ server, limits, upgrade }: Config): WelcomeLimits {
  return {
    frame_bytes: server.maxFrameBytes,
    messages: limits.messages,
    message_window_s: limits.messageWindowMs / 1000,
    connections: limits.userConnections,
    filter_ids: upgrade.maxFilterIds,
    subscribes_per_s: limits.subscribesPerS
  }
}
