import { chown, cp, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Account, chooseRunAs } from "@weft/programs";
import { WeftError } from "@weft/kit";
import { installOnce } from "../install-once.ts";
import { findJava, type Java } from "../java.ts";
import { exists, findOnPath, type Machine } from "../machine.ts";
import { getText } from "../probe.ts";
import type { Found, Launch, Place, Recipe } from "../recipe.ts";
import { run } from "../run.ts";

/** What is inside the artifact of `pom.xml`. */
const version = "9.4.3";
const recipe = join(import.meta.dirname, "../../recipes/elasticsearch");
const installTimeoutMs = 25 * 60_000;
/** Not needed, and they cost memory and time at every start. */
const leftOut = ["x-pack-inference", "x-pack-geoip-enterprise-downloader"];

/** Elasticsearch from Maven's registry: the distribution that SonarQube's artifact carries; one node, no security. */
export const elasticsearch: Recipe = {
  name: "elasticsearch",
  url: (port) => `elasticsearch://127.0.0.1:${port}`,
  usualPort: 9200,
  innerPorts: 1,
  stopSignal: "SIGTERM",
  find,
  probe: async (port, signal) => {
    const text = await getText(port, "/_cluster/health", signal);
    // Red right after a start: shards are being recovered.
    if (!/"status":"(green|yellow)"/.test(text)) throw new Error("its shards are not there yet");
  },
};

async function find(machine: Machine): Promise<Found> {
  // The launcher attaches to the server's process.
  const java = await findJava(machine, { major: 21, modules: ["jdk.attach"] });
  if (java === undefined) {
    const missing = "Elasticsearch needs a JDK 21 or later (with the module jdk.attach): install one or set JAVA_HOME";
    return { missing, install: undefined };
  }
  const folder = join(machine.cacheDir, `elasticsearch-${version}`);
  if (await exists(folder)) return { prepare: (place) => prepare(java, folder, place) };

  const maven = await findOnPath("mvn", machine);
  if (maven === undefined) {
    const missing = "Elasticsearch comes by Maven, and mvn is not on the path: `apt-get install maven`";
    return { missing, install: undefined };
  }
  return {
    missing: `Elasticsearch ${version} is not downloaded yet (950 MB by Maven, of which 200 MB stay)`,
    install: (log) =>
      installOnce(folder, async (temporary) => {
        log.info({ folder }, `downloading Elasticsearch ${version} (950 MB)`);
        await download(maven, temporary, machine);
      }),
  };
}

async function download(maven: string, folder: string, machine: Machine): Promise<void> {
  const work = join(folder, "work");
  await cp(recipe, work, { recursive: true });
  await run(maven, ["-q", "-B", "dependency:unpack-dependencies"], {
    cwd: work,
    env: machine.env,
    timeoutMs: installTimeoutMs,
    what: "downloading Elasticsearch",
  });
  const unpacked = join(work, "unpacked");
  const [name = ""] = await readdir(unpacked);
  const home = join(unpacked, name, "elasticsearch");
  for (const entry of await readdir(home)) await rename(join(home, entry), join(folder, entry));
  for (const module of leftOut) await rm(join(folder, "modules", module), { recursive: true, force: true });
  await mkdir(join(folder, "plugins"), { recursive: true });
  await rename(join(work, "log4j2.properties"), join(folder, "config", "log4j2.properties"));
  await rm(work, { recursive: true });
}

async function prepare(java: Java, home: string, place: Place): Promise<Launch> {
  const { dir, tied } = place;
  const [conf, data, logs, temporary] = ["conf", "data", "logs", "tmp"].map((name) => join(dir, name));
  if (conf === undefined || data === undefined || logs === undefined || temporary === undefined) {
    throw new WeftError("INTERNAL", "a folder has no name");
  }
  const runAs = chooseRunAs({
    server: "Elasticsearch",
    otherwise: "use a server that runs already",
    programs: [join(home, "lib"), dirname(java.program)],
    data,
    users: ["nobody"],
    tied,
  });
  for (const folder of [conf, data, logs, temporary]) await makeFolder(folder, runAs.owner);
  await writeFile(join(conf, "elasticsearch.yml"), settingsOf(place, { data, logs }));
  await cp(join(home, "config", "log4j2.properties"), join(conf, "log4j2.properties"));
  const jvmOptions = await readFile(join(home, "config", "jvm.options"), "utf8");
  // Its log of garbage collections would go beside the programs.
  await writeFile(join(conf, "jvm.options"), jvmOptions.replaceAll(/^.*gc\.log.*$\n?/gm, ""));
  for (const name of await readdir(conf)) await own(join(conf, name), runAs.owner);
  const pidFile = join(temporary, "elasticsearch.pid");
  await rm(pidFile, { force: true });

  // What Elastic's own script does. The launcher stays: when it goes, the server does.
  const launcher = "org.elasticsearch.server.launcher.ServerLauncher";
  const memory = ["-Xms4m", "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
  const args = [...memory, "-cp", join(home, "lib/tools/server-launcher/*"), launcher, "-p", pidFile];
  const env = {
    ES_HOME: home,
    ES_PATH_CONF: conf,
    ES_DISTRIBUTION_TYPE: "zip",
    ES_TMPDIR: temporary,
    // The first compiler only and no memory touched ahead: starts in half the time on a machine with few cores.
    ES_JAVA_OPTS: "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1 -XX:-AlwaysPreTouch",
    JAVA: java.program,
    JAVA_TYPE: "ES_JAVA_HOME",
    HOME: dir,
  };
  // It takes the folder that it is started in for its own.
  return { ...runAs.command(java.program, args), cwd: home, env, pidFile };
}

function settingsOf({ port, innerPorts, settings }: Place, { data, logs }: { data: string; logs: string }): string {
  const all = {
    "cluster.name": "weft",
    "node.name": "n1",
    "network.host": "127.0.0.1",
    "http.port": String(port),
    "transport.port": String(innerPorts[0] ?? 0),
    "discovery.type": "single-node",
    "path.data": JSON.stringify(data),
    "path.logs": JSON.stringify(logs),
    "xpack.security.enabled": "false",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
    "action.destructive_requires_name": "false",
    "node.store.allow_mmap": "false",
    ...settings,
  };
  return Object.entries(all)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join("");
}

async function makeFolder(path: string, owner: Account | undefined): Promise<void> {
  await mkdir(path, { recursive: true });
  await own(path, owner);
}

async function own(path: string, owner: Account | undefined): Promise<void> {
  if (owner !== undefined) await chown(path, owner.uid, owner.gid);
}
