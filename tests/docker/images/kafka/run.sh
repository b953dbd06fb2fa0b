#!/bin/bash
# KAFKA_SOME_NAME is the property some.name, as in apache/kafka.
set -euo pipefail
file=/opt/kafka/config/server.properties
: >"$file"
while IFS='=' read -r name value; do
  case $name in
    KAFKA_HEAP_OPTS | KAFKA_OPTS) continue ;;
    KAFKA_*) property=${name#KAFKA_} && property=${property,,} && echo "${property//_/.}=$value" >>"$file" ;;
  esac
done < <(env)
java=(java -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' -Dlog4j2.configurationFile=file:/opt/kafka/config/log4j2.properties)
"${java[@]}" kafka.tools.StorageTool format --ignore-formatted --cluster-id "$CLUSTER_ID" --config "$file"
# Several options in one variable.
# shellcheck disable=SC2086
exec "${java[@]}" ${KAFKA_HEAP_OPTS:-} kafka.Kafka "$file"
