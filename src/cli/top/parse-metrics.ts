/** One number of a metrics page. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g

/** Reads a page in Prometheus's text format as prom-client writes it; what is no sample is left out. */
export function parseMetrics (page: string): Sample[] {
  return page.split('\n').flatMap((line) => {
    const found = LINE.exec(line)
    const value = Number(found?.[3])
    if (found === null || Number.isNaN(value)) return []
    const labels = Object.fromEntries([...(found[2] ?? '').matchAll(LABEL)].map(([, name = '', text = '']) => [name, text.replace(/\\(.)/g, '$1')]))
    return [{ name: found[1] ?? '', labels, value }]
  })
}
