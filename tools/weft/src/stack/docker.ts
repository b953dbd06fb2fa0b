import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { WeftError } from "@weft/kit";
import { type ServerName, usualPort } from "@weft/native";
import type { Terminal } from "../terminal.ts";
import { serverNames } from "./names.ts";
import type { StackServer } from "./stack-file.ts";

const root = join(import.meta.dirname, "../../../..");
const secrets = join(root, "infra/compose/secrets");

/** Has docker compose bring the servers up and waits until they are healthy. `FAILED_PRECONDITION` without Docker. */
export async function dockerUp(names: readonly ServerName[], terminal: Terminal): Promise<readonly StackServer[]> {
  await checkCompose(terminal);
  await run(join(root, "infra/compose/secrets.sh"), [], terminal);
  await compose(["up", "-d", "--wait", ...servicesOf(names)], terminal);
  return names.map((name) => {
    const port = portOf(name, terminal);
    return { name, port, url: urlOf(name, port) };
  });
}

/** Stops the containers of the servers; their volumes stay. */
export async function dockerDown(servers: readonly StackServer[], terminal: Terminal): Promise<void> {
  await compose(["stop", ...servers.map(({ name }) => name)], terminal);
}

/** An older client takes `compose` for a mistake, and says so at length. */
async function checkCompose({ env }: Terminal): Promise<void> {
  try {
    await promisify(execFile)("docker", ["compose", "version"], { env });
  } catch (cause) {
    const message = "`docker compose` can't be run: install Docker with Compose, or leave out --docker";
    throw new WeftError("FAILED_PRECONDITION", message, { cause });
  }
}

/** None for all: the profile names them. */
function servicesOf(names: readonly ServerName[]): readonly ServerName[] {
  return names.length === serverNames.length ? [] : names;
}

/** As docker-compose.yml publishes it. */
function portOf(name: ServerName, { env }: Terminal): number {
  return Number(env[`${name.toUpperCase()}_PORT`] ?? usualPort(name));
}

function urlOf(name: ServerName, port: number): string {
  if (name === "postgres") return `postgres://weft:${secret("postgres_password")}@127.0.0.1:${port}/weft_user`;
  if (name === "redis") return `redis://:${secret("redis_password")}@127.0.0.1:${port}`;
  return `${name}://127.0.0.1:${port}`;
}

function secret(name: string): string {
  return readFileSync(join(secrets, name), "utf8").trim();
}

function compose(args: readonly string[], terminal: Terminal): Promise<void> {
  return run("docker", ["compose", "--profile", "infra", ...args], terminal);
}

/** What it says goes to standard error, for people. */
async function run(program: string, args: readonly string[], { env, stderr }: Terminal): Promise<void> {
  const child = spawn(program, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => stderr.write(chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", (cause) => reject(new WeftError("UNAVAILABLE", `${program} can't be run`, { cause })));
  });
  if (code === 0) return;
  throw new WeftError("UNAVAILABLE", `\`${[program, ...args].join(" ")}\` ended with code ${code}`);
}
