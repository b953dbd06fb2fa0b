import { chmod, copyFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ourselves } from "@weft/programs";
import { findDebian, unpackPackages } from "../debian.ts";
import { installOnce } from "../install-once.ts";
import { executable, findOnPath, type Machine } from "../machine.ts";
import { getText } from "../probe.ts";
import type { Found, Launch, Place, Recipe } from "../recipe.ts";
import { run } from "../run.ts";

/** The newest whose own modules are all published and verified. */
const version = "1.20.5";
/** The last Debian that had Consul (1.8.7), under its old licence. */
const packaged = { packages: ["consul"], release: "bullseye" };
/** About five minutes on two cores. */
const buildTimeoutMs = 25 * 60_000;

/** The Consul of the machine, or one built from Go's module proxy: one agent that is a server, its data on disk. */
export const consul: Recipe = {
  name: "consul",
  url: (port) => `consul://127.0.0.1:${port}`,
  usualPort: 8500,
  innerPorts: 2,
  stopSignal: "SIGTERM",
  find,
  probe: async (port, signal) => {
    const leader = await getText(port, "/v1/status/leader", signal);
    if (!leader.includes(":")) throw new Error("it has no leader yet");
    // Until then it makes no session. With ACLs nobody is told.
    const nodes = await getText(port, "/v1/catalog/nodes", signal);
    const isOpen = await getText(port, "/v1/agent/self", signal).then(
      () => true,
      () => false,
    );
    if (isOpen && !nodes.includes('"Node"')) throw new Error("its node is not registered yet");
  },
};

async function find(machine: Machine): Promise<Found> {
  const onPath = await findOnPath("consul", machine);
  if (onPath !== undefined) return { prepare: (place) => prepare(onPath, place) };

  const folder = join(machine.cacheDir, `consul-${version}`);
  const built = await executable(join(folder, "consul"));
  if (built !== undefined) return { prepare: (place) => prepare(built, place) };

  const go = await findGo(machine);
  if (go === undefined) return findPackaged(machine);
  return {
    missing: `consul is not on the path: install it, or have Consul ${version} built from Go modules (five minutes)`,
    install: (log) =>
      installOnce(folder, async (temporary) => {
        log.info({ folder }, `building Consul ${version} from its Go modules; this takes some minutes`);
        await build(go, temporary, machine);
      }),
  };
}

/** From 1.21 on, Go gets the version of itself that a module asks for. */
async function findGo(machine: Machine): Promise<string | undefined> {
  const go = await findOnPath("go", machine);
  if (go === undefined) return undefined;
  const said = await run(go, ["version"], { env: machine.env, ...versionLimits }).catch(() => "");
  return Number(/go1\.(\d+)/.exec(said)?.[1] ?? 0) >= 21 ? go : undefined;
}

/** Without Go: an older one that Debian had. */
async function findPackaged(machine: Machine): Promise<Found> {
  const folder = join(machine.cacheDir, `consul-debian-${packaged.release}`);
  const program = await executable(join(folder, "usr/bin/consul"));
  if (program !== undefined) return { prepare: (place) => prepare(program, place) };
  const debian = await findDebian(machine);
  if (debian === undefined) {
    return {
      missing: "consul is not on the path: install Consul, or Go 1.21 or later to build it",
      install: undefined,
    };
  }
  return {
    missing: `consul is not on the path: install it, or have Debian ${packaged.release}'s Consul unpacked`,
    install: (log) =>
      installOnce(folder, async (temporary) => {
        log.info({ folder }, `unpacking the Consul of Debian ${packaged.release}`);
        await unpackPackages(debian, machine, { ...packaged, to: temporary });
      }),
  };
}

async function prepare(program: string, { dir, port, innerPorts, settings, tied }: Place): Promise<Launch> {
  const [serf = 0, server = 0] = innerPorts;
  const hasGrpcTls = !/^Consul v1\.([0-9]|1[0-3])\./m.test(await run(program, ["version"], versionLimits));
  // HCL: values of settings are expressions of it.
  const ports = `http = ${port}, dns = -1, grpc = -1, ${hasGrpcTls ? "grpc_tls = -1, " : ""}serf_lan = ${serf}, serf_wan = -1, server = ${server}`;
  const all = {
    node_name: '"weft"',
    server: "true",
    bootstrap_expect: "1",
    bind_addr: '"127.0.0.1"',
    client_addr: '"127.0.0.1"',
    advertise_addr: '"127.0.0.1"',
    ports: `{ ${ports} }`,
    disable_update_check: "true",
    log_level: '"warn"',
    // Elects itself within a second or two.
    performance: "{ raft_multiplier = 1 }",
    ...settings,
  };
  const file = join(dir, "consul.hcl");
  await writeFile(
    file,
    Object.entries(all)
      .map(([name, value]) => `${name} = ${value}\n`)
      .join(""),
  );
  const args = ["agent", `-data-dir=${join(dir, "data")}`, `-config-file=${file}`];
  return ourselves(tied).command(program, args);
}

const versionLimits = { timeoutMs: 10_000, what: "asking for a version" };

/**
 * Consul's go.mod replaces its own sub-modules by folders, so `go install` refuses it: a module that merely requires it
 * gets the published ones.
 */
async function build(go: string, folder: string, machine: Machine): Promise<void> {
  const module = `github.com/hashicorp/consul@v${version}`;
  const limits = { cwd: folder, timeoutMs: buildTimeoutMs, what: "building Consul" };
  const env = { ...machine.env, CGO_ENABLED: "0" };
  const excluded = ["v1.1.5", "v1.1.6"].map((old) => `exclude github.com/hashicorp/go-msgpack ${old}\n`).join("");
  await writeFile(join(folder, "go.mod"), `module weft.native/consul\n\ngo 1.25.0\n\n${excluded}`);
  await run(go, ["mod", "download", module], { ...limits, env });
  const modules = (await run(go, ["env", "GOMODCACHE"], { ...limits, env })).trim();
  await copyFile(join(modules, module, "go.sum"), join(folder, "go.sum"));
  await chmod(join(folder, "go.sum"), 0o644);
  await run(go, ["get", "-tool", module], { ...limits, env });
  const args = ["build", "-p", "2", "-trimpath", "-ldflags", "-s -w", "-o", join(folder, "consul")];
  await run(go, [...args, "github.com/hashicorp/consul"], { ...limits, env });
  for (const name of ["go.mod", "go.sum"]) await rm(join(folder, name));
}
