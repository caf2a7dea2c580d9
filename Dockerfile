# The worker as an image: `docker build -t zt-risk-sync .`
# The bundle holds all the code that it runs. So the image has no node_modules, and no package to audit except Node.
ARG NODE_IMAGE=node:24-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# Without install scripts: esbuild needs none, and the others fetch a Node and a PostgreSQL that the build does not use.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY scripts/build.ts scripts/
COPY src src
COPY migrations migrations
COPY LICENSE ./
# chmod, because a checkout made under a strict umask has files that the user of the image cannot read.
RUN node scripts/build.ts && chmod -R a+rX dist migrations package.json LICENSE

FROM ${NODE_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="zt-risk-sync" \
      org.opencontainers.image.description="Keeps the history of Cloudflare Zero Trust user risk levels in PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# One malloc arena, because each short-lived thread would keep its own. Saves 10 MB.
ENV NODE_ENV=production MALLOC_ARENA_MAX=1
WORKDIR /app
# package.json marks dist/cli.js as an ES module. The files belong to root, so the worker cannot change its own code.
COPY --from=build /build/package.json /build/LICENSE ./
COPY --from=build /build/migrations migrations
COPY --from=build /build/dist dist
# A number, so that Kubernetes can see that it is not root. The worker writes no file: the root file system may be
# read-only.
USER 1000:1000
EXPOSE 8787
STOPSIGNAL SIGTERM
# Liveness only. A restart does not fix an unready worker (/readyz) or stale data (an alert).
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.HTTP_PORT || 8787}/livez`, { signal: AbortSignal.timeout(4000) }).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/cli.js"]
CMD ["serve"]
