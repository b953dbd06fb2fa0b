#!/bin/bash
# A variable in lower case with a dot is a setting, as in elasticsearch/elasticsearch. The launcher is what Elastic's own
# script starts.
set -euo pipefail
settings=()
# From the system: a shell does not keep variables with dots.
while IFS= read -r -d '' one; do
  [[ $one =~ ^[a-z][a-z_]*\.[^=]*= ]] && settings+=("-E$one")
done </proc/self/environ
export ES_HOME=$PWD ES_PATH_CONF=$PWD/config ES_DISTRIBUTION_TYPE=docker ES_TMPDIR=/tmp HOME=/tmp
export JAVA=$JAVA_HOME/bin/java JAVA_TYPE=ES_JAVA_HOME
# The first compiler only and no memory touched ahead: starts in half the time on a machine with few cores.
export ES_JAVA_OPTS="-XX:TieredStopAtLevel=1 -XX:-AlwaysPreTouch ${ES_JAVA_OPTS:-}"
exec java -Xms4m -Xmx64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp 'lib/tools/server-launcher/*' \
  org.elasticsearch.server.launcher.ServerLauncher "${settings[@]}"
