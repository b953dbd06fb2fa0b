# One service of the mesh, chosen by name:
#
#   docker build --build-arg SERVICE=user -t weft/user .
#
# What `nx build` made on this machine needs no network and no dependencies; infra/docker/build.sh does this for all:
#
#   docker build --build-arg SERVICE=user -t weft/user --target prebuilt -f Dockerfile dist
#
# It runs as an unprivileged user on a read-only root file system; /data is the one folder that it writes to.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS runtime
# 1000:1000 is `node` in the base image; the numbers let an orchestrator see that it is not root.
RUN install -d -o 1000 -g 1000 -m 0700 /data
WORKDIR /app
USER 1000:1000
VOLUME /data
ENV NODE_ENV=production \
    WEFT_DATA_DIR=/data \
    WEFT_HOST=0.0.0.0 \
    WEFT_GRPC_PORT=50051 \
    WEFT_ADMIN_PORT=9090 \
    WEFT_GATEWAY_HOST=0.0.0.0
# gRPC, admin, and the gateway's HTTP edge.
EXPOSE 50051 9090 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
    CMD ["node", "-e", "require('node:http').get({ port: process.env.WEFT_ADMIN_PORT, path: '/readyz', timeout: 2000 }, (answer) => process.exit(answer.statusCode === 200 ? 0 : 1)).on('timeout', () => process.exit(1)).on('error', () => process.exit(1))"]
# A signal that process 1 does not listen for is lost, and whoever sent it waits until its patience ends. So somebody
# listens while main.js is being loaded, and leaves it to the service as soon as that listens itself.
ENTRYPOINT ["node", "--import", "data:text/javascript,for (const s of ['SIGTERM', 'SIGINT']) process.on(s, () => process.listenerCount(s) === 1 %26%26 process.exit(143))", "main.js"]
ARG SERVICE
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="weft ${SERVICE}" \
      org.opencontainers.image.description="The ${SERVICE} service of a Weft mesh" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"

# The build context is `dist`. It stands before the stage that builds, which the classic builder would run otherwise.
FROM runtime AS prebuilt
ARG SERVICE
COPY apps/${SERVICE} /app

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY . .
RUN npm ci --no-audit --no-fund
ARG SERVICE
ARG VERSION
RUN WEFT_VERSION="${VERSION}" npx nx build "${SERVICE:?name a service: --build-arg SERVICE=user}"

FROM runtime
ARG SERVICE
COPY --from=build /src/dist/apps/${SERVICE} /app
