import { KINDS } from '../kinds.js'

const [{ claim, samples: [id] }] = KINDS

/** The smallest page that uses the client, to be copied. Relative addresses: it works on whatever port it is served. */
export const EXAMPLE_PAGE = `<!doctype html>
<meta charset="utf-8"><title>Portcullis</title><link rel="icon" href="data:,">
<pre id="log"></pre>
<script type="module">
  import { connect } from '/client/connect.js'
  const show = (value) => { document.querySelector('#log').textContent += JSON.stringify(value) + '\\n' }
  const token = async () => await (await fetch('/dev/token?sub=alice&${claim}=${id}')).text()
  const client = connect({ url: '/ws', token, ${claim}: ['${id}'] })
  for (const name of ['state', 'welcome', 'event']) client.on(name, show)
</script>
`
