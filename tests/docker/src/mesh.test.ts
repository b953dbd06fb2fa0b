import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ServerName, serverNames } from "@weft/native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Compose, composeOn, type Container, containersOf, temporaryFolder } from "./compose.ts";
import { type Engine, startEngine, whyNoEngine } from "./engine.ts";
import { makeBase, makeNodeImage, makeServerImages, whyNoImages } from "./images.ts";
import { run } from "./run.ts";

const root = join(import.meta.dirname, "../../..");
const apps = ["gateway", "indexer", "notification", "search", "user"];

/** Servers on two cores, with other work beside them, have taken four minutes. */
const upLimitMs = 420_000;
const isRequired = process.env["REQUIRE_DOCKER"] === "1";
const why = (await whyNoEngine()) ?? (await whyNoImages());
const started = why === undefined ? await startEngine().catch((error: unknown) => error) : undefined;
const reason = why ?? (started instanceof Error ? started.message : undefined);
if (reason !== undefined) console.log(`skipped: no engine can be started here because ${reason}`);

test.runIf(isRequired)("an engine can be started", () => {
  expect(reason).toBeUndefined();
});

describe.skipIf(reason !== undefined)("the mesh in containers", () => {
  let engine: Engine;
  let compose: Compose;

  beforeAll(async () => {
    engine = started as Engine; // Or this block is skipped.
    compose = composeOn(engine);
    await makeBase(engine);
    await makeNodeImage(engine, "node:24-bookworm-slim");
    await run("infra/compose/secrets.sh", [], { cwd: root });
    const { services } = JSON.parse(await compose(["config", "--format=json"])) as {
      services: Record<ServerName, { readonly image: string }>;
    };
    const tags = Object.fromEntries(serverNames.map((name) => [name, services[name].image]));
    await makeServerImages(engine, tags as Record<ServerName, string>); // Of each of the names.
    await run("infra/docker/build.sh", [], { cwd: root, env: engine.env, timeoutMs: upLimitMs });
  });

  afterAll(async () => {
    if (engine === undefined) return;
    await compose(["down", "--volumes", "--timeout=5"], { timeoutMs: upLimitMs }).catch(console.error);
    await engine[Symbol.asyncDispose]();
  });

  /** Brings up what is asked for, or fails with what the containers said. */
  async function up(...args: string[]): Promise<ReadonlyMap<string, Container>> {
    try {
      await compose([...args, "up", "--detach", "--wait", "--no-build", "--pull=never"], { timeoutMs: upLimitMs });
    } catch (error) {
      throw new Error(await compose(["logs", "--no-color", "--tail=30"]), { cause: error });
    }
    return containersOf(compose);
  }

  const inspect = (container: Container | undefined, format: string): Promise<string> =>
    engine.docker(["inspect", `--format=${format}`, container?.Name ?? "?"]).then((text) => text.trim());

  test("--profile infra starts the five servers, healthy, and no service", async () => {
    const containers = await up("--profile=infra");
    expect([...containers.keys()].sort()).toEqual([...serverNames].sort());
    for (const { Service: service, Health: health } of containers.values())
      expect([service, health]).toEqual([service, "healthy"]);
  });

  test("without a profile everything is up and healthy", async () => {
    const containers = await up();
    expect([...containers.keys()].sort()).toEqual([...apps, ...serverNames].sort());
    for (const { Service: service, State: state, Health: health } of containers.values()) {
      expect([service, state, health]).toEqual([service, "running", "healthy"]);
    }
  });

  test("no container runs as root, with a capability or with more memory than it is given", async () => {
    for (const [service, container] of await containersOf(compose)) {
      const user = await compose(["exec", "-T", service, "sh", "-c", "id -u; grep CapEff /proc/1/status"]);
      expect(user, service).toMatch(/^[1-9]\d*\nCapEff:\s*0{16}\n$/);
      const format = "{{.HostConfig.SecurityOpt}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}";
      expect(await inspect(container, format), service).toMatch(/^\[no-new-privileges:true\] [1-9]\d* [1-9]\d*$/);
    }
  });

  test("services write to nothing but their data folder, and hold no source", async () => {
    for (const service of apps) {
      const shell = (command: string): Promise<string> => compose(["exec", "-T", service, "sh", "-c", command]);
      expect(await shell("touch /app/x /tmp/x /x 2>/dev/null; ls -d /app/x /tmp/x /x 2>/dev/null; true"), service).toBe(
        "",
      );
      expect(await shell("touch /data/x && rm /data/x && echo ok")).toBe("ok\n");
      const files = await shell("cd /app && find . -type f | sed 's/[^/]*-[A-Z0-9]*[.]/NAME./' | sort -u");
      expect(files.trim().split("\n"), service).toEqual(
        ["./THIRD_PARTY_LICENCES.txt", "./chunks/NAME.js", "./chunks/NAME.js.map", "./main.js", "./main.js.map"].concat(
          "./package.json",
        ),
      );
      expect(await shell("find / -xdev -name node_modules -o -xdev -name '*.ts' 2>/dev/null | head -3")).toBe("");
    }
  });

  test("no secret stands in a container's settings", async () => {
    const secrets = await run("sh", ["-c", "cat infra/compose/secrets/*_password"], { cwd: root });
    for (const [service, container] of await containersOf(compose)) {
      const settings = await inspect(container, "{{json .Config}} {{json .Args}}");
      for (const secret of secrets.trim().split("\n")) expect(settings.includes(secret), service).toBe(false);
    }
  });

  test("ports are open to this machine alone", async () => {
    for (const container of (await containersOf(compose)).values()) {
      const hosts = await inspect(container, "{{range .HostConfig.PortBindings}}{{range .}}{{.HostIp}} {{end}}{{end}}");
      for (const host of hosts.split(" ").filter(Boolean)) expect(host).toBe("127.0.0.1");
    }
  });

  test("the tour of the README gives the same answers", async () => {
    await using folder = await temporaryFolder();
    const token = await compose(["exec", "-T", "user", "cat", "/data/admin-token"]);
    await writeFile(join(folder.path, "admin-token"), token, { mode: 0o600 });
    const mesh = { url: "http://127.0.0.1:8080", dataDir: folder.path };
    const vitest = ["vitest", "run", "--project=system", "tests/system/src/readme.test.ts"];
    await run("nsenter", [`--net=${engine.network}`, ...vitest], {
      cwd: root,
      env: { WEFT_TEST_MESH: JSON.stringify(mesh) },
      timeoutMs: 120_000,
    });
  });

  test("a service that is stopped ends in order within its time", async () => {
    for (const service of apps) {
      const from = performance.now();
      await compose(["stop", service]);
      expect(performance.now() - from, service).toBeLessThan(20_000);
      expect((await containersOf(compose)).get(service)).toMatchObject({ State: "exited", ExitCode: 0 });
    }
  });

  test("what was stored is there after all containers were removed", async () => {
    await compose(["down"], { timeoutMs: upLimitMs });
    expect((await containersOf(compose)).size).toBe(0);
    await up();
    const token = (await compose(["exec", "-T", "user", "cat", "/data/admin-token"])).trim();
    const ask = (path: string): Promise<string> =>
      run(
        "nsenter",
        [`--net=${engine.network}`, "curl", "-fsS", "-H", `authorization: Bearer ${token}`].concat(
          `http://127.0.0.1:8080/api/v1${path}`,
        ),
      );
    expect(await ask("/users?filter=name%3D%22Marie%20Curie%22")).toContain("marie@example.org");
    expect(await ask("/search/users?q=physics")).toContain("Marie Curie");
    expect(await ask("/search/tools?q=compiler")).toContain("gcc.en");
    const { users } = JSON.parse(await ask("/users?pageSize=100")) as { users: { id: string; name: string }[] };
    const marie = users.find(({ name }) => name === "Marie Curie");
    expect(await ask(`/notifications?userId=${marie?.id}`)).toContain("Welcome to Weft, Marie Curie");
  });
});
