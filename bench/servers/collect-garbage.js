// Loaded before a server whose memory is measured (with --expose-gc): it collects its garbage when it is asked to.
process.on('SIGUSR2', () => {
  globalThis.gc()
  globalThis.gc()
})
