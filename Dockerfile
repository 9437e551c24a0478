# The exact release that tests run on: scripts/in-image.sh reads it here. To pin the very bytes as well, look the digest up
# (`docker buildx imagetools inspect node:24.21.0-trixie-slim`) and write it behind the name: node:…-slim@sha256:…
FROM node:24.21.0-trixie-slim AS base
WORKDIR /app

FROM base AS build
COPY package.json package-lock.json .npmrc ./
COPY packages/client/package.json packages/client/
RUN npm ci --omit=optional
COPY tsconfig.json ./
COPY scripts/copy-assets.js scripts/bundle-libraries.js scripts/bundle-client.js scripts/bundle-console.js scripts/
COPY src src
COPY packages packages
RUN npm run build && rm -f dist/.tsbuildinfo

# What runs in production. The optional binding is for development on old distributions: it stays out.
FROM base AS packages
COPY package.json package-lock.json .npmrc ./
COPY packages/client/package.json packages/client/
RUN npm ci --omit=dev --omit=optional
# `registry`: the release in package-lock.json, which the suite runs on. `github`: the official package, by tag; it is taken
# only if its checksums stand in tested-bindings.json, once the suite has passed on it.
ARG UWS_SOURCE=registry
ARG UWS_TAG=v20.69.0
RUN case "$UWS_SOURCE" in \
      registry) ;; \
      github) \
        apt-get update && \
        apt-get install -y --no-install-recommends ca-certificates git && \
        npm install --no-save --omit=dev --omit=optional "uWebSockets.js@github:uNetworking/uWebSockets.js#$UWS_TAG" ;; \
      *) echo "UWS_SOURCE is github or registry, not $UWS_SOURCE" >&2; exit 1 ;; \
    esac
COPY scripts/verify-binding.js scripts/tested-bindings.json scripts/
RUN node scripts/verify-binding.js
# What this image runs, for those who ask: /app/sbom.cdx.json.
COPY scripts/write-sbom.js scripts/
RUN node scripts/write-sbom.js sbom.cdx.json
# The package brings a binary of about 7 MB for each platform and Node version: this image can load one of them.
RUN binary=$(node -p '`uws_${process.platform}_${process.arch}_${process.versions.modules}.node`') && \
    find node_modules/uWebSockets.js -name '*.node' ! -name "$binary" -delete && \
    node -e 'require("uWebSockets.js")'

FROM base AS runtime
ENV NODE_ENV=production
# Read by the native layer as it loads: a request head may be so long, in bytes.
ENV UWS_HTTP_MAX_HEADERS_SIZE=16384
COPY --from=packages /app/node_modules node_modules
COPY --from=packages /app/sbom.cdx.json ./
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
USER node
EXPOSE 9001 9002
# The main module handles SIGTERM itself. A stop may take WS_DRAIN_SECONDS (30): give it more, `docker stop -t 40`.
STOPSIGNAL SIGTERM
# Alive, not ready: who restarts on an unhealthy container must not do so because an issuer is away or it is draining.
# With ADMIN_PORT=0 there is nothing to ask: run with --no-healthcheck.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
  CMD ["node", "-e", "const host = process.env.ADMIN_HOST || '127.0.0.1'; fetch(`http://${host.includes(':') ? `[${host}]` : host}:${process.env.ADMIN_PORT || 9002}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# As `npm start` does; why this size stands in src/tune-heap.ts.
CMD ["node", "--max-semi-space-size=16", "dist/main.js"]
