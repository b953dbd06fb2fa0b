#!/bin/bash
# `--bootstrap-server HOST:PORT`: asks a broker for its versions, in Kafka's own protocol. The registry's jars of the
# broker are without the command-line tools.
set -euo pipefail
exec 3<>"/dev/tcp/${2%:*}/${2##*:}"
# ApiVersions 0: size 10, key 18, version 0, correlation 7, no client id.
printf '\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x07\xff\xff' >&3
# Size, then the correlation id and no error.
answer=$(timeout 5 head -c 10 <&3 | od -An -tx1 -v | tr -d ' \n')
[ "${answer:8}" = 000000070000 ]
