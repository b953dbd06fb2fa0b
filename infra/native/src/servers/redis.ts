import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ourselves } from "@weft/programs";
import { findDebian, libraryPath, unpackPackages } from "../debian.ts";
import { installOnce } from "../install-once.ts";
import { executable, findOnPath, type Machine } from "../machine.ts";
import { exchange } from "../probe.ts";
import type { Found, Launch, Place, Recipe } from "../recipe.ts";

/** With the libraries that not every Debian has. */
const packages = ["redis-server", "redis-tools", "libatomic1", "libjemalloc2", "liblzf1", "libssl3", "libsystemd0"];

/** The Redis of the machine, or Debian's package unpacked. */
export const redis: Recipe = {
  name: "redis",
  url: (port) => `redis://127.0.0.1:${port}`,
  usualPort: 6379,
  innerPorts: 0,
  stopSignal: "SIGTERM",
  find,
  probe: async (port, signal) => {
    const answer = (await exchange(port, Buffer.from("PING\r\n"), signal)).toString();
    // With a password it asks for that, which is an answer too.
    if (!/^\+PONG|^-NOAUTH/.test(answer)) throw new Error(answer.trim());
  },
};

async function find(machine: Machine): Promise<Found> {
  const onPath = await findOnPath("redis-server", machine);
  if (onPath !== undefined) return installed(onPath, {});

  const folder = join(machine.cacheDir, "redis-debian");
  const program = await executable(join(folder, "usr/bin/redis-server"));
  if (program !== undefined) return installed(program, { LD_LIBRARY_PATH: await libraryPath(folder) });

  const debian = await findDebian(machine);
  if (debian === undefined) {
    return { missing: "redis-server is not on the path: install Redis 6.2 or later", install: undefined };
  }
  return {
    missing: "redis-server is not on the path: `apt-get install redis-server`, or have its packages unpacked",
    install: (log) =>
      installOnce(folder, async (temporary) => {
        log.info({ folder }, "unpacking Debian's redis-server");
        await unpackPackages(debian, machine, { packages, to: temporary });
      }),
  };
}

function installed(program: string, env: Readonly<Record<string, string>>): Found {
  return { prepare: (place) => prepare(program, env, place) };
}

async function prepare(program: string, env: Readonly<Record<string, string>>, place: Place): Promise<Launch> {
  const { dir, port, tied } = place;
  const settings = {
    bind: "127.0.0.1",
    port: String(port),
    dir,
    daemonize: "no",
    save: '""',
    appendonly: "yes",
    // Written before every reply, as `everysec` does not promise: a killed server loses nothing, a crashed machine may.
    appendfsync: "no",
    ...place.settings,
  };
  const file = join(dir, "redis.conf");
  await writeFile(
    file,
    Object.entries(settings)
      .map(([name, value]) => `${name} ${value}\n`)
      .join(""),
  );
  return { ...ourselves(tied).command(program, [file]), env };
}
