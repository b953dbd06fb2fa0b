#!/usr/bin/env bash
# Makes the passwords of docker-compose.yml, once: a file each in infra/compose/secrets, which git does not see.
#
# Compose mounts such a file with the owner and mode that it has here, and services run as other users: so the files can
# be read by everybody, in a folder that only its owner can enter.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
cd secrets

# Hexadecimal, so that a password stands in a URL as it is.
password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
# A file that is there stays: servers keep the password that they were set up with.
keep() { [ -s "$1" ] || printf '%s\n' "$2" >"$1"; chmod 0444 "$1"; }

keep postgres_password "$(password)"
keep redis_password "$(password)"
keep redis.conf "requirepass $(cat redis_password)"
keep sql_url "postgres://weft:$(cat postgres_password)@postgres:5432/weft_user"
keep redis_url "redis://:$(cat redis_password)@redis:6379"
