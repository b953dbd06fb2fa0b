#!/usr/bin/env bash
# Images of services, from artefacts that are built on this machine: no network is needed in a container.
#
#   infra/docker/build.sh [SERVICE…]     all services by default
#
# WEFT_VERSION (default: the version in package.json) is the version of the artefacts and, with `dev` as the default, the
# images' tag: the one that docker-compose.yml runs. NODE_IMAGE replaces the base image.
set -euo pipefail
cd "$(dirname "$0")/../.."

services=("$@")
[ "${#services[@]}" -gt 0 ] || services=(gateway user indexer search notification)
tag=${WEFT_VERSION:-dev}
version=${WEFT_VERSION:-$(node -p 'require("./package.json").version')}

names=$(IFS=,; echo "${services[*]}")
node tools/bootstrap.mjs nx run-many -t build --projects "$names"
for service in "${services[@]}"; do
  docker build --quiet --target prebuilt --file Dockerfile --tag "weft/$service:$tag" \
    --build-arg SERVICE="$service" --build-arg VERSION="$version" \
    ${NODE_IMAGE:+--build-arg NODE_IMAGE="$NODE_IMAGE"} dist >/dev/null
  echo "weft/$service:$tag"
done
