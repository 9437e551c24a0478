'use strict'
// Loaded before a gateway: at its end it writes which files of OpenTelemetry are in the process.
const { writeFileSync } = require('node:fs')
const { PORTCULLIS_TEST_LIBRARIES: file } = process.env
process.on('exit', () => { writeFileSync(file, Object.keys(require.cache).filter(name => name.includes('@opentelemetry')).join('\n')) })
