#!/usr/bin/env bash
# docker-compose.yml, brought up on an engine of its own and looked at from all sides: see src/mesh.test.ts.
#
# Where no engine can be started it says why and ends well; with REQUIRE_DOCKER=1 that is a failure. On a CI machine what
# is missing is installed first.
set -euo pipefail
cd "$(dirname "$0")/../.."

has() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }
if [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && has apt-get && ! { has dockerd && has debootstrap && has ip; }; then
  apt-get install -y -q --no-install-recommends docker.io iproute2 debootstrap >/dev/null || true
fi
json=.cache/test-results/docker.json
exec node tools/bootstrap.mjs vitest run --project docker --reporter=verbose --reporter=json --outputFile.json=$json
