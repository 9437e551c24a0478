/**
 * The n-th of some 13 million source addresses of the loopback network, so that each client can have its own.
 * @param {number} n
 */
export const addressOf = n => `127.${10 + (n >> 16) % 200}.${(n >> 8) & 255}.${1 + (n & 255) % 254}`
