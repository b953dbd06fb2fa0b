import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freePort, freePorts, isTaken, machineOf, readServerNames, startServer, whatIsMissing } from "./index.ts";
import { installOnce } from "./install-once.ts";
import { findJava, parseRelease } from "./java.ts";
import { run } from "./run.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-native-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A machine with no program on the path, and nothing installed. */
const bare = () => ({ cacheDir: folder, env: { PATH: folder } });

describe("names", () => {
  test("come with commas between", () => {
    expect(readServerNames("")).toEqual([]);
    expect(readServerNames("redis, kafka")).toEqual(["redis", "kafka"]);
    expect(() => readServerNames("redis,mysql")).toThrow(
      "there is no server 'mysql'; there are consul, elasticsearch, kafka, postgres, redis",
    );
  });
});

describe("a machine", () => {
  test("keeps servers where its caches are", () => {
    expect(machineOf({ env: { XDG_CACHE_HOME: "/caches" } }).cacheDir).toBe("/caches/weft/servers");
    expect(machineOf({ env: {} }).cacheDir).toMatch(/\/\.cache\/weft\/servers$/);
  });

  test.each([
    ["consul", "consul is not on the path: install"],
    ["redis", "redis-server is not on the path: install"],
  ] as const)("without tools for %s says what to install", async (name, sentence) => {
    expect(await whatIsMissing(name, bare())).toEqual({
      sentence: expect.stringContaining(sentence),
      isInstallable: false,
    });
    const start = startServer(name, { ...bare(), dir: join(folder, "data") });
    await expect(start).rejects.toMatchObject({ reason: "FAILED_PRECONDITION" });
  });

  test("with a tool that gets it, says that too", async () => {
    for (const tool of ["apt-get", "dpkg-deb"]) await program(tool, "");
    expect(await whatIsMissing("redis", bare())).toMatchObject({ isInstallable: true });
    expect(await whatIsMissing("consul", bare())).toMatchObject({ isInstallable: true });
  });

  test("takes the server that is on its path", async () => {
    await program("redis-server", "");
    expect(await whatIsMissing("redis", bare())).toBeUndefined();
  });
});

describe("Java", () => {
  test("is what its release file says", () => {
    const text = 'JAVA_VERSION="21.0.3"\nMODULES="java.base jdk.attach"\n';
    expect(parseRelease("/j", text)).toEqual({ program: "/j", major: 21, modules: ["java.base", "jdk.attach"] });
    expect(parseRelease("/j", 'JAVA_VERSION="1.8.0_402"\n')).toBeUndefined();
    expect(parseRelease("/j", "")).toBeUndefined();
  });

  test("of JAVA_HOME goes before others, when it is new enough", async () => {
    await mkdir(join(folder, "bin"));
    await program("bin/java", "");
    await writeFile(join(folder, "release"), 'JAVA_VERSION="99"\nMODULES="java.base"\n');
    const machine = { cacheDir: folder, env: { JAVA_HOME: folder } };
    expect((await findJava(machine, { major: 99 }))?.program).toBe(join(folder, "bin/java"));
    expect(await findJava(machine, { major: 99, modules: ["jdk.attach"] })).toBeUndefined();
  });
});

describe("ports", () => {
  test("are different, free, and none that an outgoing connection would take", async () => {
    const ports = await freePorts(20);
    expect(new Set(ports).size).toBe(20);
    expect(ports.every((port) => port >= 10_000 && port < 32_000)).toBe(true);
  });

  test("that something listens on are taken", async () => {
    const port = await freePort();
    expect(await isTaken(port)).toBe(false);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    expect(await isTaken(port)).toBe(true);
    server.close();
  });
});

describe("an installation", () => {
  test("is made once, however many want it at the same time", async () => {
    const target = join(folder, "server-1");
    let builds = 0;
    const build = async (temporary: string): Promise<void> => {
      builds += 1;
      await writeFile(join(temporary, "program"), String(builds));
    };
    await Promise.all([installOnce(target, build), installOnce(target, build), installOnce(target, build)]);
    expect(builds).toBe(1);
    expect(await readFile(join(target, "program"), "utf8")).toBe("1");
  });

  test("that fails leaves nothing that counts, and the next one works", async () => {
    const target = join(folder, "server-1");
    const half = async (temporary: string): Promise<void> => {
      await writeFile(join(temporary, "half"), "");
      throw new Error("the network is away");
    };
    await expect(installOnce(target, half)).rejects.toThrow("the network is away");
    expect(await readdir(folder)).toEqual(["server-1.lock"]);
    await installOnce(target, (temporary) => writeFile(join(temporary, "whole"), ""));
    expect(await readdir(target)).toEqual(["whole"]);
  });
});

describe("a program", () => {
  test("that fails is told with its last lines", async () => {
    const file = await program("fails", "echo first; echo last >&2; exit 3");
    await expect(run(file, [], { timeoutMs: 5000, what: "trying" })).rejects.toMatchObject({
      reason: "UNAVAILABLE",
      message: "trying failed: first\nlast",
    });
  });

  test("that takes too long is ended with all that it started", async () => {
    const file = await program("hangs", "/bin/sleep 60 & wait");
    await expect(run(file, [], { timeoutMs: 200, what: "trying" })).rejects.toMatchObject({
      message: "trying failed: it took longer than 0.2 s",
    });
  });
});

async function program(name: string, script: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}
