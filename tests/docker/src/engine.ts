import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { access, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findDebian, findOnPath, installOnce, machineOf, unpackPackages } from "@weft/native";
import { run, type RunOptions } from "./run.ts";

/** A Docker engine of our own. Disposing it ends it and all that it ran, and removes what it stored. */
export interface Engine extends AsyncDisposable {
  /** Its network namespace, where its containers' published ports are: for `nsenter --net=…`. */
  readonly network: string;
  /** Variables by which `docker` finds it. */
  readonly env: Readonly<Record<string, string>>;
  docker(args: readonly string[], options?: RunOptions): Promise<string>;
}

const programs = ["dockerd", "docker", "iptables", "ip", "nsenter", "unshare", "debootstrap"];
const startLimitMs = 30_000;
/** The Debian release whose package of Compose knows `docker compose`. */
const composeRelease = "trixie";

/** Why no engine can be started on this machine; undefined when nothing is known to be in the way. */
export async function whyNoEngine(): Promise<string | undefined> {
  if (process.platform !== "linux") return "this is not Linux";
  if (process.getuid?.() !== 0) return "a private engine takes root";
  const machine = machineOf();
  for (const program of programs) {
    if ((await findOnPath(program, machine)) === undefined) {
      return `${program} is not installed: apt-get install docker.io iproute2 debootstrap`;
    }
  }
  return undefined;
}

/**
 * Runs an engine until its standard input ends, which it does at the latest with the process that holds the other end;
 * then removes what it left.
 */
const supervise = `
  ip netns add "$1" && ip -n "$1" link set lo up || exit
  # Not "ip netns exec": it mounts another /sys, without the control groups.
  nsenter --net="/run/netns/$1" unshare --mount dockerd --host "$3" --data-root "$2/data" --exec-root "$2/exec" --pidfile "$2/pid" &
  read -r _
  kill "$!"
  wait "$!"
  ip netns delete "$1"
  rm -rf "$2"
`;

/** Starts an engine in a network namespace and with mounts of its own, so that it meets no other on this machine. */
export async function startEngine(): Promise<Engine> {
  const compose = await findCompose();
  const folder = await mkdtemp(join(tmpdir(), "weft-docker-"));
  const name = basename(folder);
  const socket = `unix://${join(folder, "engine.sock")}`;
  // The client's own settings: nobody's registries and contexts.
  const config = join(folder, "client");
  await mkdir(join(config, "cli-plugins"), { recursive: true });
  await symlink(compose, join(config, "cli-plugins/docker-compose"));
  const log = join(folder, "engine.log");
  const output = openSync(log, "w");
  const supervisor = spawn("bash", ["-c", supervise, "engine", name, folder, socket], {
    stdio: ["pipe", output, output],
    // Where programs for administrators are, which not every PATH has.
    env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` },
    // A Ctrl-C at the terminal is for us: containers are stopped in order.
    detached: true,
  });
  closeSync(output);
  const ended = once(supervisor, "exit");
  const stop = async (): Promise<void> => {
    supervisor.stdin?.destroy();
    await ended;
  };

  // The classic builder: the other one is a plugin, which not every client has.
  const env = { DOCKER_HOST: socket, DOCKER_CONFIG: config, DOCKER_BUILDKIT: "0" };
  const docker: Engine["docker"] = (words, options = {}) =>
    run("docker", words, { ...options, env: { ...env, ...options.env } });
  const until = performance.now() + startLimitMs;
  for (;;) {
    const answer = await docker(["version"], { timeoutMs: 5000 }).catch((error: unknown) => error);
    if (typeof answer === "string") break;
    if (supervisor.exitCode !== null || performance.now() > until) {
      const said = (await readFile(log, "utf8")).trim().split("\n").slice(-5).join("\n");
      await stop();
      await rm(folder, { recursive: true, force: true });
      throw new Error(`dockerd does not start:\n${said}`, { cause: answer });
    }
    await sleep(200);
  }
  return { network: `/run/netns/${name}`, env, docker, [Symbol.asyncDispose]: stop };
}

/** Where systems keep the client's plugins. */
const pluginFolders = ["/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec"];
const plugin = "docker/cli-plugins/docker-compose";

/** Path of Compose: the machine's, or that of Debian's package, unpacked. */
async function findCompose(): Promise<string> {
  for (const folder of pluginFolders) {
    const path = join(folder, plugin);
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  const machine = machineOf();
  const unpacked = join(machine.cacheDir, `docker-compose-${composeRelease}`);
  await installOnce(unpacked, async (temporary) => {
    const debian = await findDebian(machine);
    if (debian === undefined) throw new Error("Docker Compose is not installed");
    await unpackPackages(debian, machine, { packages: ["docker-compose"], release: composeRelease, to: temporary });
  });
  return join(unpacked, "usr/libexec", plugin);
}
