import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  findJavas,
  findOnPath,
  install,
  installOnce,
  machineOf,
  type ServerName,
  serverNames,
  whatIsMissing,
} from "@weft/native";
import { findPostgres } from "@weft/programs";
import type { Engine } from "./engine.ts";
import { run } from "./run.ts";

const recipes = join(import.meta.dirname, "../images");
const root = join(import.meta.dirname, "../../..");

/** The system below all images, and what the servers take from it. */
const release = "bookworm";
const packages = ["ca-certificates", "curl", "postgresql-client-15", "redis-server"];
const bootstrapLimitMs = 10 * 60_000;
const buildLimitMs = 5 * 60_000;

/** Which server can't be had on this machine; undefined when all are there or can be installed. */
export async function whyNoImages(): Promise<string | undefined> {
  for (const name of serverNames) {
    const missing = await whatIsMissing(name);
    if (missing?.isInstallable === false) return missing.sentence;
  }
  return undefined;
}

/** Has a small Debian as the image `weft-test/base`. Made once a machine: no image can be had where there is no registry. */
export async function makeBase(engine: Engine): Promise<void> {
  const folder = join(machineOf().cacheDir, `debian-${release}`);
  await installOnce(folder, async (temporary) => {
    const system = join(temporary, "system");
    const include = `--include=${packages.join(",")}`;
    await run("debootstrap", ["--variant=minbase", include, release, system], { timeoutMs: bootstrapLimitMs });
    await run("rm", ["-rf", join(system, "var/cache/apt"), join(system, "var/lib/apt/lists")]);
    await run("tar", ["-C", system, "--exclude=./dev/*", "-cf", join(temporary, "system.tar"), "."], {
      timeoutMs: buildLimitMs,
    });
    await rm(system, { recursive: true });
  });
  await engine.docker(["import", join(folder, "system.tar"), "weft-test/base"], { timeoutMs: buildLimitMs });
}

/** An image under its official name, made from a folder of `images/` and files of this machine. */
interface Image {
  readonly recipe: string;
  readonly tag: string;
  /** By their names beside the Dockerfile. */
  readonly files: Readonly<Record<string, string>>;
}

/** `node`, under the name that the root's Dockerfile begins with. */
export async function makeNodeImage(engine: Engine, tag: string): Promise<void> {
  await make(engine, { recipe: "node", tag, files: { node: join(root, "node_modules/node/bin/node") } });
}

/**
 * The images of the servers that `tags` names, from what `@weft/native` installs. They take the settings, users and
 * folders of the official ones as far as docker-compose.yml uses them.
 */
export async function makeServerImages(engine: Engine, tags: Readonly<Record<ServerName, string>>): Promise<void> {
  // Redis is in the base.
  for (const name of serverNames) if (name !== "redis") await install(name);
  await make(engine, { recipe: "java", tag: "weft-test/java", files: { jdk: await findJdk() } });
  const kafka = await installed("kafka-");
  const files: Readonly<Record<ServerName, Image["files"]>> = {
    consul: { consul: await findConsul() },
    elasticsearch: { elasticsearch: await installed("elasticsearch-") },
    kafka: { libs: join(kafka, "lib"), "log4j2.properties": join(kafka, "log4j2.properties") },
    postgres: { native: dirname(dirname(findPostgres().postgres)) },
    redis: {},
  };
  for (const name of serverNames) await make(engine, { recipe: name, tag: tags[name], files: files[name] });
}

async function make(engine: Engine, { recipe, tag, files }: Image): Promise<void> {
  const context = await mkdtemp(join(tmpdir(), "weft-image-"));
  try {
    await cp(join(recipes, recipe), context, { recursive: true });
    // The links of a JDK lead out of it.
    for (const [name, from] of Object.entries(files)) await run("cp", ["-rL", from, join(context, name)]);
    await engine.docker(["build", "--quiet", "--tag", tag, context], { timeoutMs: buildLimitMs });
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}

/** What both Kafka and Elasticsearch run on. */
async function findJdk(): Promise<string> {
  const javas = await findJavas(machineOf());
  const java = javas.find(({ major, modules }) => major >= 21 && modules.includes("jdk.attach"));
  if (java === undefined) throw new Error("there is no JDK 21 or later: install one or set JAVA_HOME");
  return dirname(dirname(java.program));
}

async function findConsul(): Promise<string> {
  const onPath = await findOnPath("consul", machineOf());
  if (onPath !== undefined) return onPath;
  const folder = await installed("consul-");
  return (await readdir(folder)).includes("consul") ? join(folder, "consul") : join(folder, "usr/bin/consul");
}

/** The folder that `@weft/native` keeps a server in. */
async function installed(prefix: string): Promise<string> {
  const { cacheDir } = machineOf();
  const name = (await readdir(cacheDir)).find((entry) => entry.startsWith(prefix) && !/\.(lock|new-\w+)$/.test(entry));
  if (name === undefined) throw new Error(`${prefix}… is not installed in ${cacheDir}`);
  return join(cacheDir, name);
}
