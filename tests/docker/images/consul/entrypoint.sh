#!/bin/sh
# `agent …` gets the image's folders, as in hashicorp/consul.
set -e
if [ "$1" = agent ]; then
  shift
  set -- consul agent -data-dir=/consul/data -config-dir=/consul/config "$@"
fi
exec "$@"
