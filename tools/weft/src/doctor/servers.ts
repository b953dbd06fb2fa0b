import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { BlockUrls } from "@weft/blocks";
import { findJavas, type ServerName, whatIsMissing } from "@weft/native";
import { serverNames } from "../stack/names.ts";
import type { Terminal } from "../terminal.ts";
import type { UpConfig } from "../up/config.ts";
import { answers, type Target, targetOf } from "../up/servers.ts";
import type { Check } from "./command.ts";

const dockerTimeoutMs = 5000;

/** A line for each server: where it runs, or whether it could. */
export async function checkServers(
  { urls, runsSql }: Pick<UpConfig, "urls" | "runsSql">,
  env: Terminal["env"],
): Promise<readonly Check[]> {
  const targets = targetsOf(urls);
  return Promise.all(
    serverNames.map((name) =>
      name === "postgres" && runsSql ? checkOwnPostgres(env) : checkServer(name, targets.get(name), env),
    ),
  );
}

/** That of npm, which both `weft up` and the stack run. */
async function checkOwnPostgres(env: Terminal["env"]): Promise<Check> {
  const missing = await whatIsMissing("postgres", { env });
  const detail = missing?.sentence ?? "installed by npm; `weft up` runs it";
  return { name: "postgres", state: missing === undefined ? "ok" : "missing", detail };
}

async function checkServer(name: ServerName, target: Target | undefined, env: Terminal["env"]): Promise<Check> {
  const places = target?.hosts.map(({ host, port }) => `${host}:${port}`).join(", ") ?? "";
  if (target !== undefined && (await answers(target))) return { name, state: "ok", detail: `answers at ${places}` };
  const missing = await whatIsMissing(name, { env });
  const isNeeded = target !== undefined;
  const without = isNeeded ? `does not answer at ${places}` : "not used by this profile";
  if (missing === undefined) {
    const detail = `${without}; installed: \`npx weft stack up --only ${name}\` starts it`;
    return { name, state: isNeeded ? "ok" : "note", detail };
  }
  const how = missing.isInstallable ? `${missing.sentence}; \`npx weft stack up\` gets it` : missing.sentence;
  return { name, state: isNeeded ? "missing" : "note", detail: `${without}; ${how}` };
}

/** The server of each kind that the blocks use. */
function targetsOf(urls: BlockUrls): ReadonlyMap<ServerName, Target> {
  const targets = new Map<ServerName, Target>();
  for (const url of Object.values(urls)) {
    const target = targetOf(typeof url === "string" ? url : url.reveal());
    const name = serverNames.find((known) => target?.scheme === known || target?.scheme === `${known}ql`);
    if (target !== undefined && name !== undefined) targets.set(name, target);
  }
  return targets;
}

/** Kafka and Elasticsearch say themselves when they lack one. */
export async function checkJava(env: Terminal["env"]): Promise<Check> {
  const javas = await findJavas({ env });
  const found = javas.map(({ major, program }) => `${major} (${program})`).join(", ");
  const detail = found === "" ? "none; Kafka wants 17 or later, Elasticsearch a JDK 21 or later" : found;
  return { name: "Java", state: found === "" ? "note" : "ok", detail };
}

/** For `weft stack up --docker`, which nothing needs. */
export async function checkDocker(env: Terminal["env"]): Promise<Check> {
  const name = "Docker";
  try {
    const args = ["version", "--format", "{{.Server.Version}}"];
    const { stdout } = await promisify(execFile)("docker", args, { env, timeout: dockerTimeoutMs });
    return { name, state: "ok", detail: `engine ${stdout.trim()}` };
  } catch {
    return { name, state: "note", detail: "no engine answers; only `weft stack up --docker` needs one" };
  }
}
