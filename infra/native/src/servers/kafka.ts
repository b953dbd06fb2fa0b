import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { environment, ourselves } from "@weft/programs";
import { installOnce } from "../install-once.ts";
import { findJava, type Java } from "../java.ts";
import { exists, findOnPath, type Machine } from "../machine.ts";
import { exchange } from "../probe.ts";
import type { Found, Launch, Place, Recipe } from "../recipe.ts";
import { run } from "../run.ts";

/** As in `pom.xml`. */
const version = "4.3.1";
const recipe = join(import.meta.dirname, "../../recipes/kafka");
/** Any: data folders do not meet. */
const clusterId = "MkU3OEVBNTcwNTJENDM2Qk";
const installTimeoutMs = 15 * 60_000;
const formatTimeoutMs = 60_000;

/** Kafka from Maven's registry: one node that is broker and controller (KRaft). */
export const kafka: Recipe = {
  name: "kafka",
  url: (port) => `kafka://127.0.0.1:${port}`,
  usualPort: 9092,
  innerPorts: 1,
  stopSignal: "SIGTERM",
  find,
  probe: async (port, signal) => {
    const answer = await exchange(port, apiVersionsRequest(), signal);
    // Size, correlation id, error code.
    if (answer.length < 10 || answer.readInt32BE(4) !== correlationId || answer.readInt16BE(8) !== 0) {
      throw new Error("it gave no answer of Kafka's protocol");
    }
  },
};

const correlationId = 7;

/** ApiVersions 0, which every broker answers: https://kafka.apache.org/protocol.html#The_Messages_ApiVersions */
function apiVersionsRequest(): Buffer {
  const request = Buffer.alloc(14);
  request.writeInt32BE(10, 0);
  request.writeInt16BE(18, 4);
  request.writeInt16BE(0, 6);
  request.writeInt32BE(correlationId, 8);
  // No client id.
  request.writeInt16BE(-1, 12);
  return request;
}

async function find(machine: Machine): Promise<Found> {
  const java = await findJava(machine, { major: 17 });
  if (java === undefined) {
    const missing =
      "Kafka needs Java 17 or later: install it (`apt-get install openjdk-17-jre-headless`) or set JAVA_HOME";
    return { missing, install: undefined };
  }
  const folder = join(machine.cacheDir, `kafka-${version}`);
  if (await exists(folder)) return { prepare: (place) => prepare(java, folder, place) };

  const maven = await findOnPath("mvn", machine);
  if (maven === undefined) {
    return { missing: "Kafka comes by Maven, and mvn is not on the path: `apt-get install maven`", install: undefined };
  }
  return {
    missing: `Kafka ${version} is not downloaded yet (44 MB by Maven)`,
    install: (log) =>
      installOnce(folder, async (temporary) => {
        log.info({ folder }, `downloading Kafka ${version}`);
        await cp(recipe, temporary, { recursive: true });
        const args = ["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime"];
        await run(maven, args, {
          cwd: temporary,
          env: machine.env,
          timeoutMs: installTimeoutMs,
          what: "downloading Kafka",
        });
        await rm(join(temporary, "target"), { recursive: true, force: true });
      }),
  };
}

async function prepare(java: Java, folder: string, place: Place): Promise<Launch> {
  const { dir, port, innerPorts, tied } = place;
  const data = join(dir, "data");
  await mkdir(data, { recursive: true });
  const [controller = 0] = innerPorts;
  const settings = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": `1@127.0.0.1:${controller}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${port}`,
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "log.dirs": join(data, "logs"),
    // After a kill, the node is let in again when the session of its former self has ended.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "num.partitions": "1",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.dedupe.buffer.size": "16777216",
    ...internalTopics("offsets.topic.num.partitions", "offsets.topic.replication.factor"),
    ...internalTopics("transaction.state.log.num.partitions", "transaction.state.log.replication.factor"),
    ...internalTopics(
      "share.coordinator.state.topic.num.partitions",
      "share.coordinator.state.topic.replication.factor",
    ),
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.min.isr": "1",
    ...place.settings,
  };
  const file = join(dir, "server.properties");
  await writeFile(
    file,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(""),
  );
  const options = [
    ...["-cp", join(folder, "lib", "*"), "-Xms256m", "-Xmx512m", "-XX:+UseG1GC", "-Djava.awt.headless=true"],
    `-Dlog4j2.configurationFile=file:${join(folder, "log4j2.properties")}`,
  ];
  if (!(await exists(join(data, "logs", "meta.properties")))) {
    const args = ["kafka.tools.StorageTool", "format", "--cluster-id", clusterId, "--config", file];
    const limits = { env: environment(), timeoutMs: formatTimeoutMs, what: "preparing Kafka's data folder" };
    await run(java.program, [...options, "-XX:TieredStopAtLevel=1", ...args], limits);
  }
  return ourselves(tied).command(java.program, [...options, "kafka.Kafka", file]);
}

/** One node holds them all. */
function internalTopics(partitions: string, replication: string): Record<string, string> {
  return { [partitions]: "4", [replication]: "1" };
}
