/** States of a socket that frames go through. */
export const LIVE = ['open', 'expiring']

/** All sockets of the page, and the one that frames go to. */
export const sockets = { list: [], chosen: null, count: 0, frames: 0 }
export const chosen = () => sockets.chosen
export const isUsable = ({ state }) => state === 'connecting' || LIVE.includes(state)
